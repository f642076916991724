//! One-click unsubscribe (RFC 8058): a signed link that names a recipient and a category, and what following it does.
//!
//! The link does not expire: a message may be read years later, and whoever holds it can do nothing but unsubscribe.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use posthaste_core::{BrokerError, Expect, Records, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::sign::SigningSecret;
use crate::suppression::{self, Source, Suppression};

/// Longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 1_024;
/// What is signed begins with this, so that no other signature of ours is taken for one.
const PURPOSE: &[u8] = b"unsubscribe:";
/// Bytes of the code that are kept: enough against guessing, and the link stays short.
const CODE: usize = 16;

/// Who unsubscribes from what.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The recipient's key, `channel:address`.
    #[serde(rename = "r")]
    pub recipient: String,
    /// The category.
    #[serde(rename = "c")]
    pub category: String,
    /// Whose messages, if they are a tenant's.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("category", &self.category).finish_non_exhaustive()
    }
}

fn content(body: &str) -> Vec<u8> {
    [PURPOSE, body.as_bytes()].concat()
}

/// The token of a link in messages of the installation's.
pub fn mint(secret: &SigningSecret, recipient: &str, category: &str) -> String {
    mint_for(secret, recipient, category, None)
}

/// The token of a link.
pub fn mint_for(secret: &SigningSecret, recipient: &str, category: &str, tenant: Option<&Tenant>) -> String {
    let (recipient, category) = (recipient.to_owned(), category.to_owned());
    let request = Request { recipient, category, tenant: tenant.cloned() };
    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&request).expect("texts are JSON"));
    let code = secret.code(&content(&body));
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(&code.as_ref()[..CODE]))
}

/// What a token says, if one of these secrets signed it.
pub fn open(secrets: &[SigningSecret], token: &str) -> Option<Request> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let (body, code) = token.split_once('.')?;
    let code = URL_SAFE_NO_PAD.decode(code).ok().filter(|c| c.len() == CODE)?;
    let fits = |s: &SigningSecret| {
        let ours = s.code(&content(body));
        // Every byte is looked at, so that the time tells nothing.
        ours.as_ref()[..CODE].iter().zip(&code).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    };
    if !secrets.iter().any(fits) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}

/// Does what the link is for. A repeat does nothing more.
///
/// # Errors
/// The store's.
pub async fn apply(records: &dyn Records, request: &Request, now: Timestamp) -> Result<(), BrokerError> {
    let channel = request.recipient.split(':').next().unwrap_or("email").to_owned();
    let body = Suppression {
        channel,
        reason: "The recipient unsubscribed.".into(),
        code: None,
        task: None,
        source: Source::Unsubscribe,
        category: Some(request.category.clone()),
        created_at: Some(now),
    };
    let key = suppression::key_of(&request.recipient, request.tenant.as_ref());
    match suppression::put(records, &key, &body, Expect::Absent).await {
        Ok(_) | Err(BrokerError::VersionConflict { .. }) => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_link_opens_with_its_secret_alone() {
        let (old, new) = (SigningSecret::random(), SigningSecret::random());
        let token = mint(&old, "email:ann@example.com", "news");
        let request = open(&[new.clone(), old], &token).unwrap();
        assert_eq!(
            (request.recipient.as_str(), request.category.as_str()),
            ("email:ann@example.com", "news")
        );
        assert_eq!(open(std::slice::from_ref(&new), &token), None);
        let other = mint(&new, "email:bob@example.com", "news");
        let mixed = format!("{}.{}", token.split_once('.').unwrap().0, other.split_once('.').unwrap().1);
        assert_eq!(open(&[new], &mixed), None);
        assert!(!format!("{request:?}").contains("ann"));
    }

    proptest! {
        #[test]
        fn any_token_is_answered(token in ".{0,60}") {
            prop_assert!(open(&[SigningSecret::random()], &token).is_none());
        }
    }
}
