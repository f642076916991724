//! The text that a caller sends: `ph_<12 characters: which key>_<43 characters: the secret>`. Only
//! its SHA-256 is kept: the secret has 256 random bits, so a slow hash would protect nothing more.

use posthaste_notify::digest::hex;
use rand::RngExt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "ph_";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 43;
/// Longest token that is looked at; configured ones have a form of their own.
pub(crate) const MAX_TOKEN: usize = 512;
/// Letters and digits: a double click selects the whole of it.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The SHA-256 of a token; compared in constant time.
#[derive(Clone, Copy, Eq)]
pub(crate) struct TokenHash(pub(crate) [u8; 32]);

impl TokenHash {
    /// Of a whole token.
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// As it is stored.
    pub(crate) fn hex(self) -> String {
        hex(&self.0)
    }

    /// As it was stored.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut out = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(out))
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::hash::Hash for TokenHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // It is random already.
        state.write(&self.0[..8]);
    }
}

/// A new token; it is shown once and does not print by itself.
pub(crate) struct Minted {
    /// Names the key.
    pub(crate) id: String,
    /// The whole of it.
    pub(crate) token: String,
}

/// Makes one from the operating system's randomness (through a ChaCha generator seeded by it).
pub(crate) fn mint() -> Minted {
    let id = random_text(ID_CHARS);
    let token = format!("{PREFIX}{id}_{}", random_text(SECRET_CHARS));
    Minted { id, token }
}

pub(crate) fn random_text(chars: usize) -> String {
    let mut rng = rand::rng();
    (0..chars).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// Which key a token names, if it has the form of ours.
pub(crate) fn key_id(token: &str) -> Option<&str> {
    let rest = token.strip_prefix(PREFIX)?;
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric());
    let (id, secret) = rest.split_once('_')?;
    (id.len() == ID_CHARS && secret.len() == SECRET_CHARS && plain(id) && plain(secret)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_token_names_its_key_and_no_other_text_does() {
        let minted = mint();
        assert_eq!(key_id(&minted.token), Some(minted.id.as_str()));
        assert_eq!(minted.token.len(), PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS);
        assert_ne!(mint().token, minted.token);
        let short = &minted.token[..minted.token.len() - 1];
        for bad in ["", "ph_", "ph_a_b", short, &format!("{}x", minted.token), &minted.token[1..]] {
            assert_eq!(key_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn hashes_are_read_back_as_they_were_stored() {
        let hash = TokenHash::of("a");
        assert!(TokenHash::from_hex(&hash.hex()) == Some(hash));
        assert!(TokenHash::of("b") != hash);
        assert!(TokenHash::from_hex("zz").is_none() && TokenHash::from_hex(&"g".repeat(64)).is_none());
    }
}
