//! What an answer means, as data: tables of rows, read from the top, the provider's own before the
//! general one. `docs/operate/channels.md` is made from them.

use posthaste_core::{FailureClass, LaneFault};

use crate::net::Answer;

/// Which status codes a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Any.
    Any,
    /// This one.
    Is(u16),
    /// This one, with a `Retry-After`.
    Asking(u16),
    /// All with this first digit.
    Digit(u16),
}

/// Which error codes of the provider's own a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Any or none.
    Any,
    /// One of these.
    Is(&'static [&'static str]),
    /// Some code.
    Given,
}

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// With these status codes,
    pub status: Status,
    /// and these error codes,
    pub code: Code,
    /// an answer is of this class.
    pub class: FailureClass,
    /// What the provider's lane is found to be when several recipients in a row are answered so
    /// ([`crate::witness`]); of one alone it is that recipient's. `None`: it always is.
    pub several: Option<LaneFault>,
    /// Why, for people.
    pub why: &'static str,
}

/// A row about error codes, whatever the status.
pub(crate) const fn codes(codes: &'static [&'static str], class: FailureClass, why: &'static str) -> Row {
    Row { status: Status::Any, code: Code::Is(codes), class, several: None, why }
}

/// A row about a status, whatever the error code.
pub(crate) const fn status(status: u16, class: FailureClass, why: &'static str) -> Row {
    Row { status: Status::Is(status), code: Code::Any, class, several: None, why }
}

impl Row {
    /// The same, but of one recipient, unless several in a row are answered so: then it is this fault of the provider's.
    pub(crate) const fn of_one(self, several: LaneFault) -> Self {
        Self { several: Some(several), ..self }
    }
}

/// A last row for services whose 2xx may hold an error: one that is not listed.
pub(crate) const UNKNOWN_ERROR: Row = Row {
    status: Status::Digit(2),
    code: Code::Given,
    class: FailureClass::Permanent,
    several: None,
    why: "an error that is not listed here",
};

/// A body of a 2xx that should say whether it went well, and cannot be read.
pub(crate) const UNREADABLE: &str = "unreadable";
/// Its row.
pub(crate) const UNREADABLE_SUCCESS: Row = Row {
    status: Status::Digit(2),
    code: Code::Is(&[UNREADABLE]),
    class: FailureClass::Ambiguous,
    several: None,
    why: "the answer does not say whether the message was taken",
};

/// What every provider's answers mean where its own table says nothing.
pub const GENERIC: &[Row] = &[
    status(401, FailureClass::Misconfigured, "credentials missing or refused"),
    status(403, FailureClass::Misconfigured, "not allowed with these credentials"),
    status(407, FailureClass::Misconfigured, "a proxy wants credentials"),
    status(408, FailureClass::Transient, "the provider timed out"),
    status(425, FailureClass::Transient, "too early"),
    status(429, FailureClass::Throttled, "too fast; 60 s unless the answer names a time"),
    Row {
        status: Status::Asking(503),
        code: Code::Any,
        class: FailureClass::Throttled,
        several: None,
        why: "the provider asks for a pause",
    },
    Row {
        status: Status::Digit(3),
        code: Code::Any,
        class: FailureClass::Permanent,
        several: None,
        why: "redirects are not followed",
    },
    Row {
        status: Status::Digit(4),
        code: Code::Any,
        class: FailureClass::Permanent,
        several: None,
        why: "refused",
    },
    Row {
        status: Status::Digit(5),
        code: Code::Any,
        class: FailureClass::Transient,
        several: None,
        why: "it may go better later",
    },
    Row {
        status: Status::Any,
        code: Code::Any,
        class: FailureClass::Transient,
        several: None,
        why: "no status that HTTP knows",
    },
];

impl Row {
    fn fits(&self, answer: &Answer, code: Option<&str>) -> bool {
        let status = match self.status {
            Status::Any => true,
            Status::Is(status) => answer.status == status,
            Status::Asking(status) => answer.status == status && answer.retry_after.is_some(),
            Status::Digit(digit) => answer.status / 100 == digit,
        };
        status
            && match self.code {
                Code::Any => true,
                Code::Is(codes) => code.is_some_and(|c| codes.contains(&c)),
                Code::Given => code.is_some(),
            }
    }
}

/// Where no row fits.
const NO_ROW: Row = Row {
    status: Status::Any,
    code: Code::Any,
    class: FailureClass::Transient,
    several: None,
    why: "no row fits",
};

/// The first row that fits an answer that is no success.
pub fn row_of<'a>(tables: &[&'a [Row]], answer: &Answer, code: Option<&str>) -> &'a Row {
    let mut rows = tables.iter().copied().flatten();
    rows.find(|row| row.fits(answer, code)).unwrap_or(&NO_ROW)
}

/// The class of an answer that is no success: that of the first row that fits.
pub fn class_of(tables: &[&[Row]], answer: &Answer, code: Option<&str>) -> FailureClass {
    row_of(tables, answer, code).class
}

#[cfg(test)]
mod tests {
    use FailureClass as C;

    use super::*;

    fn answer(status: u16, asking: bool) -> Answer {
        let retry_after = asking.then_some(std::time::Duration::from_secs(7));
        Answer { status, retry_after, body: Vec::new(), content_type: None }
    }

    #[test]
    fn every_status_has_the_class_that_the_rules_give_it() {
        for status in 100..=999 {
            for asking in [false, true] {
                let wanted = match status {
                    401 | 403 | 407 => C::Misconfigured,
                    408 | 425 => C::Transient,
                    429 => C::Throttled,
                    503 if asking => C::Throttled,
                    300..=499 => C::Permanent,
                    _ => C::Transient,
                };
                assert_eq!(class_of(&[GENERIC], &answer(status, asking), None), wanted, "{status} {asking}");
            }
        }
    }

    #[test]
    fn a_code_is_compared_whole() {
        let rows = &[codes(&["invalid_token"], C::Misconfigured, ""), UNKNOWN_ERROR];
        let class = |status, code| class_of(&[rows, GENERIC], &answer(status, false), code);
        assert_eq!(class(200, Some("invalid_token")), C::Misconfigured);
        assert_eq!(class(200, Some("invalid_token2")), C::Permanent);
        assert_eq!(class(500, Some("other")), C::Transient);
        assert_eq!(class(404, None), C::Permanent);
    }
}
