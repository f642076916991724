//! Signatures of what is sent to a URL: Standard Webhooks, version 1 (HMAC-SHA256).
//!
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste_core::Timestamp;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// The header with the message's id.
pub const ID: &str = "webhook-id";
/// The header with the time of sending, in seconds.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";
/// How far the clocks of sender and receiver may be apart.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

const PREFIX: &str = "whsec_";
/// Fewest and most bytes of a secret, by the specification.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Why a secret or signature was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Not a secret.
    #[error("A signing secret is whsec_ and the base64 of 24 to 64 bytes.")]
    Secret,
    /// Too old, or from the future.
    #[error("The timestamp is too far from now.")]
    Timestamp,
    /// No signature fits.
    #[error("No signature fits.")]
    Signature,
}

/// A signing secret, `whsec_…`. It does not print.
#[derive(Clone)]
pub struct SigningSecret {
    text: Box<str>,
    key: hmac::Key,
}

impl SigningSecret {
    /// A new one of 32 random bytes.
    ///
    /// # Panics
    /// When the system has no random numbers.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
        let text = format!("{PREFIX}{}", STANDARD.encode(bytes));
        text.parse().expect("made as it is read")
    }

    /// The text, to be shown once or kept.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The signature of one message, `v1,…`.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let tag = hmac::sign(&self.key, &content(id, seconds, body));
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }

    /// The secret of a tenant: derived from this one, which it does not tell.
    ///
    /// # Panics
    /// Never: a code has as many bytes as a secret may have.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Self {
        let code = self.code(format!("tenant:{tenant}").as_bytes());
        let text = format!("{PREFIX}{}", STANDARD.encode(code.as_ref()));
        text.parse().expect("made as it is read")
    }

    /// The bare code of some bytes, for our own links.
    pub(crate) fn code(&self, bytes: &[u8]) -> hmac::Tag {
        hmac::sign(&self.key, bytes)
    }

    /// Whether a code is that of some bytes; takes the same time whatever the answer.
    pub(crate) fn fits(&self, bytes: &[u8], code: &[u8]) -> bool {
        hmac::verify(&self.key, bytes, code).is_ok()
    }
}

impl FromStr for SigningSecret {
    type Err = SignError;

    fn from_str(text: &str) -> Result<Self, SignError> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).ok_or(SignError::Secret)?);
        let bytes = bytes.map_err(|_| SignError::Secret)?;
        if !KEY_BYTES.contains(&bytes.len()) {
            return Err(SignError::Secret);
        }
        Ok(Self { text: text.into(), key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

impl PartialEq for SigningSecret {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for SigningSecret {}

fn content(id: &str, seconds: i64, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{id}.{seconds}.").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The signatures of one message by several secrets, as the header holds them.
pub fn signatures(secrets: &[SigningSecret], id: &str, seconds: i64, body: &[u8]) -> String {
    let all: Vec<String> = secrets.iter().map(|s| s.sign(id, seconds, body)).collect();
    all.join(" ")
}

/// Whether a message carries a signature of `secret` and is of about now.
///
/// # Errors
/// [`SignError::Timestamp`], [`SignError::Signature`].
pub fn verify(
    secret: &SigningSecret,
    message: Signed<'_>,
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignError> {
    let seconds: i64 = message.timestamp.parse().map_err(|_| SignError::Timestamp)?;
    let apart = seconds.saturating_mul(1_000).saturating_sub(now.as_millis()).unsigned_abs();
    if u128::from(apart) > tolerance.as_millis() {
        return Err(SignError::Timestamp);
    }
    let content = content(message.id, seconds, message.body);
    // Each is looked at, so that the time does not tell which one fits.
    let mut fits = false;
    for signature in message.signature.split(' ').filter_map(|s| s.strip_prefix("v1,")).take(16) {
        fits |= STANDARD.decode(signature).is_ok_and(|code| secret.fits(&content, &code));
    }
    if fits { Ok(()) } else { Err(SignError::Signature) }
}

/// A message with its headers.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
    /// The body.
    pub body: &'a [u8],
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    #[test]
    fn the_independent_crate_verifies_what_we_sign() {
        let seconds =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        let (old, new) = (SigningSecret::random(), SigningSecret::random());
        let header = signatures(&[new.clone(), old.clone()], "msg_1", seconds, b"{\"a\":1}");
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", "msg_1".parse().unwrap());
        headers.insert("webhook-timestamp", seconds.to_string().parse().unwrap());
        headers.insert("webhook-signature", header.parse().unwrap());
        for secret in [&old, &new] {
            let oracle = standardwebhooks::Webhook::new(secret.expose()).unwrap();
            oracle.verify(b"{\"a\":1}", &headers).unwrap();
            assert!(oracle.verify(b"{\"a\":2}", &headers).is_err());
        }
        let stranger = standardwebhooks::Webhook::new(SigningSecret::random().expose()).unwrap();
        assert!(stranger.verify(b"{\"a\":1}", &headers).is_err());
    }

    #[test]
    fn the_specifications_example_comes_out() {
        let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_old_changed_or_foreign_is_refused() {
        let secret = SigningSecret::random();
        let seconds = now().as_millis() / 1_000;
        let signature = secret.sign("m", seconds, b"x");
        let timestamp = seconds.to_string();
        let good = Signed { id: "m", timestamp: &timestamp, signature: &signature, body: b"x" };
        assert_eq!(verify(&secret, good, now(), TOLERANCE), Ok(()));
        assert_eq!(
            verify(&secret, Signed { body: b"y", ..good }, now(), TOLERANCE),
            Err(SignError::Signature)
        );
        assert_eq!(verify(&secret, Signed { id: "n", ..good }, now(), TOLERANCE), Err(SignError::Signature));
        assert_eq!(verify(&SigningSecret::random(), good, now(), TOLERANCE), Err(SignError::Signature));
        let later = Timestamp::from_millis(now().as_millis() + 301_000);
        assert_eq!(verify(&secret, good, later, TOLERANCE), Err(SignError::Timestamp));
        assert_eq!(
            verify(&secret, Signed { timestamp: "x", ..good }, now(), TOLERANCE),
            Err(SignError::Timestamp)
        );
        let two = format!("v1,AAAA v2,zz {signature}");
        assert_eq!(verify(&secret, Signed { signature: &two, ..good }, now(), TOLERANCE), Ok(()));
    }

    #[test]
    fn secrets_have_a_form_and_do_not_print() {
        let secret = SigningSecret::random();
        assert_eq!(secret.expose().parse::<SigningSecret>().unwrap(), secret);
        assert!(!format!("{secret:?}").contains(secret.expose()));
        for bad in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!"] {
            assert!(bad.parse::<SigningSecret>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_headers_are_answered(id in ".{0,20}", timestamp in ".{0,20}", signature in ".{0,80}", body: Vec<u8>) {
            let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
            let signed = Signed { id: &id, timestamp: &timestamp, signature: &signature, body: &body };
            prop_assert!(verify(&secret, signed, now(), TOLERANCE).is_err());
        }
    }
}
