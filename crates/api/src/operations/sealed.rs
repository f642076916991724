//! Cursors that tell no name: where a page of a tenant's goes on that ended among what is another's. The name is that of a record,
//! or the cursor of a store's list of tasks, which is made of a task's id and time.
//!
//! The name is hidden by a stream that its own code begins, and the code is kept in front (as in SIV, RFC 5297): whoever has no
//! secret of the installation reads nothing in it, and makes none that is taken. One name has one cursor for each tenant.

use hmac::{Hmac, Mac};
use posthaste_core::Tenant;
use posthaste_notify::digest::hex;
use posthaste_notify::sign::SigningSecret;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What such a cursor begins with, and no name of a record that a tenant may have.
const MARK: char = '~';
/// Bytes of the code that are kept.
const CODE: usize = 16;

/// A code of some bytes that is used for nothing else.
fn code(secret: &SigningSecret, purpose: &str, parts: [&[u8]; 2]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    for part in parts {
        // With a zero between them, which neither a purpose nor a tenant holds, parts are told apart.
        mac.update(&[0]);
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn check(secret: &SigningSecret, tenant: &Tenant, name: &[u8]) -> [u8; 32] {
    code(secret, "cursor:check", [tenant.as_str().as_bytes(), name])
}

/// Hides bytes, or shows them again.
fn masked(secret: &SigningSecret, start: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (number, block) in (0_u32..).zip(bytes.chunks(32)) {
        let stream = code(secret, "cursor:hide", [&number.to_be_bytes(), start]);
        out.extend(block.iter().zip(stream).map(|(byte, mask)| byte ^ mask));
    }
    out
}

/// Whether a cursor is one of these.
pub(crate) fn is_sealed(cursor: &str) -> bool {
    cursor.starts_with(MARK)
}

/// A cursor of `tenant` that goes on behind `name`.
pub(crate) fn seal(secret: &SigningSecret, tenant: &Tenant, name: &str) -> String {
    let whole = check(secret, tenant, name.as_bytes());
    let start = &whole[..CODE];
    format!("{MARK}{}{}", hex(start), hex(&masked(secret, start, name.as_bytes())))
}

/// The name behind which a cursor goes on, if it was made for `tenant` with one of these secrets.
pub(crate) fn open(secrets: &[SigningSecret], tenant: &Tenant, cursor: &str) -> Option<String> {
    let bytes = unhex(cursor.strip_prefix(MARK)?)?;
    let (start, hidden) = bytes.split_at_checked(CODE)?;
    secrets.iter().find_map(|secret| {
        let name = masked(secret, start, hidden);
        let fits = bool::from(check(secret, tenant, &name)[..CODE].ct_eq(start));
        if fits { String::from_utf8(name).ok() } else { None }
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some((digit(pair.first()?)? << 4) | digit(pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> Tenant {
        Tenant::new(name).expect("a name")
    }

    #[test]
    fn a_cursor_is_read_by_its_tenant_alone_and_tells_nothing() {
        let (secret, newer, acme) = (SigningSecret::random(), SigningSecret::random(), tenant("acme"));
        for name in ["globex", "globex-orders", &"x".repeat(80)] {
            let cursor = seal(&secret, &acme, name);
            assert!(is_sealed(&cursor) && cursor.len() <= posthaste_core::limits::MAX_KEY_BYTES, "{cursor}");
            assert!(!cursor.contains(&hex(name.as_bytes())) && !cursor.contains("globex"), "{cursor}");
            let both = [newer.clone(), secret.clone()];
            assert_eq!(open(&both, &acme, &cursor).as_deref(), Some(name));
            assert_eq!(open(&both, &tenant("other"), &cursor), None);
            assert_eq!(open(std::slice::from_ref(&newer), &acme, &cursor), None);
        }
        let good = seal(&secret, &acme, "globex");
        for bad in ["~", "~zz", "~0", "~é", "globex", &good[..good.len() - 2], &format!("{good}00")] {
            assert_eq!(open(std::slice::from_ref(&secret), &acme, bad), None, "{bad}");
        }
    }
}
