//! Whether a certificate is an authority's. The verifier beneath does not ask: it takes any certificate that it is given as a
//! root, and with that whoever has the key of a server's own certificate could sign one for every other name.

/// `id-ce-basicConstraints` (RFC 5280 §4.2.1.9), without its tag and length.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// The extensions among the fields of a certificate.
const EXTENSIONS: u8 = 0xa3;

/// Whether the certificate says of itself that it signs others. One that cannot be read does not, nor does one of version 1,
/// which has no place to say so.
pub(crate) fn is_authority(certificate: &[u8]) -> bool {
    says_so(certificate).unwrap_or(false)
}

fn says_so(certificate: &[u8]) -> Option<bool> {
    let fields = first(first(certificate, SEQUENCE)?, SEQUENCE)?;
    let extensions = first(first(fields, EXTENSIONS)?, SEQUENCE)?;
    let mut extensions = Elements(extensions).map(|(_, extension)| extension);
    let found = extensions.find(|extension| first(extension, OBJECT) == Some(BASIC_CONSTRAINTS))?;
    let constraints = first(first(found, OCTETS)?, SEQUENCE)?;
    Some(first(constraints, BOOLEAN)? == [0xff])
}

/// What the first element with this tag holds.
fn first(der: &[u8], tag: u8) -> Option<&[u8]> {
    Elements(der).find(|(found, _)| *found == tag).map(|(_, value)| value)
}

/// The elements that follow each other, as far as they can be read: each one's tag, and what it holds.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }
}

/// The length that the bytes begin with, and what follows it. DER knows no open end.
fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    let (&byte, rest) = der.split_first()?;
    if byte < 0x80 {
        return Some((usize::from(byte), rest));
    }
    let (bytes, rest) = rest.split_at_checked(usize::from(byte & 0x7f))?;
    let fits = (1..=3).contains(&bytes.len());
    fits.then(|| (bytes.iter().fold(0, |sum, b| (sum << 8) | usize::from(*b)), rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    fn made(is_ca: IsCa) -> Vec<u8> {
        // So many names that lengths take two bytes.
        let names: Vec<String> = (0..20).map(|n| format!("host-{n}.example.test")).collect();
        let mut params = CertificateParams::new(names).expect("plain names");
        params.is_ca = is_ca;
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn who_says_so_is_an_authority() {
        for (is_ca, expected) in [
            (IsCa::Ca(BasicConstraints::Unconstrained), true),
            (IsCa::Ca(BasicConstraints::Constrained(1)), true),
            (IsCa::ExplicitNoCa, false),
            (IsCa::NoCa, false),
        ] {
            assert_eq!(is_authority(&made(is_ca)), expected, "{is_ca:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        let whole = made(IsCa::Ca(BasicConstraints::Unconstrained));
        for length in 0..whole.len() {
            assert!(!is_authority(&whole[..length]), "cut at {length}");
        }
        for open in [&[0x30, 0x80][..], &[0x30, 0xff], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            assert!(!is_authority(open));
        }
    }
}
