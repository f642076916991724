//! What a server offers in its answer to EHLO.

/// What it offers; nothing after HELO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// STARTTLS (RFC 3207).
    pub(super) starttls: bool,
    /// 8BITMIME (RFC 6152).
    pub(super) eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub(super) utf8: bool,
    /// The mechanisms of AUTH (RFC 4954), in capitals.
    pub(super) mechanisms: Vec<String>,
}

impl Offers {
    /// Out of the lines of the answer, the first of which names the server. Keywords count in any case (RFC 5321
    /// §4.1.1.1), mechanisms as well; `AUTH=LOGIN` is how the oldest servers write it.
    pub(super) fn of(lines: &[String]) -> Self {
        let mut offers = Self::default();
        for line in lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("STARTTLS") => offers.starttls = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SMTPUTF8") => offers.utf8 = true,
                Some("AUTH") => offers.mechanisms.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        offers
    }

    /// Whether it offers the mechanism of this name, in capitals.
    pub(super) fn signs_in_by(&self, mechanism: &str) -> bool {
        self.mechanisms.iter().any(|m| m == mechanism)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_mechanisms_are_read_in_any_case() {
        for auth in [
            "AUTH PLAIN LOGIN",
            "auth plain login",
            "Auth Plain Login",
            "AUTH=plain LOGIN",
            "AUTH  PLAIN\tLOGIN",
        ] {
            let lines = ["mx.example.com starttls", auth, "8bitmime", "SmtpUtf8", "starttls", "SIZE 1", ""];
            let offers = Offers::of(&lines.map(str::to_owned));
            assert!(offers.starttls && offers.eight_bit && offers.utf8, "{auth}");
            assert!(offers.signs_in_by("PLAIN") && offers.signs_in_by("LOGIN"), "{auth}");
            assert!(!offers.signs_in_by("CRAM-MD5"), "{auth}");
        }
        let greeting = ["starttls".to_owned()];
        assert_eq!(Offers::of(&greeting), Offers::default(), "the first line is the server's name");
        assert_eq!(Offers::of(&[]), Offers::default());
    }
}
