//! Many of one thing in one request: each is read by itself, and what is wrong is said with its place in the list.

use posthaste_core::limits::MAX_BATCH;
use serde_json::Value;

use super::fields::{Errors, Object, word};
use crate::{FieldError, Loc};

/// What happens to the good ones when some are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    /// Nothing is stored.
    #[default]
    Strict,
    /// The good ones are stored.
    Permissive,
}

/// `mode` of a request.
pub(crate) fn mode(o: &mut Object<'_>, errors: &mut Errors) -> Mode {
    let all: &[Mode] = &[Mode::Strict, Mode::Permissive];
    let read = word(all, |m| match m {
        Mode::Strict => "strict",
        Mode::Permissive => "permissive",
    });
    o.optional(errors, "mode", read).unwrap_or_default()
}

/// Refuses a list that is empty or longer than [`MAX_BATCH`]; whether it is neither.
pub(crate) fn check_len(len: usize, loc: Vec<Loc>, errors: &mut Errors) -> bool {
    let fine = (1..=MAX_BATCH).contains(&len);
    if !fine {
        errors.push(FieldError::new(loc, "list_length", format!("List should have 1 to {MAX_BATCH} items")));
    }
    fine
}

/// The list `field`: 1 to [`MAX_BATCH`] items.
pub(crate) fn items<'v>(o: &mut Object<'v>, field: &'static str, errors: &mut Errors) -> Option<&'v [Value]> {
    let list = o.required(errors, field, |v| {
        v.as_array().ok_or_else(|| ("list_type", "Input should be a valid list".to_owned()))
    })?;
    check_len(list.len(), o.loc(field), errors).then_some(list)
}

/// Puts what is wrong with an item where the item is: `body.x` becomes `body.<field>.<index>.x`.
pub(crate) fn relocate(errors: Errors, field: &'static str, index: usize) -> Errors {
    errors.moved(|mut e| {
        let rest = e.loc.split_off(1.min(e.loc.len()));
        e.loc = [Loc::from("body"), field.into(), index.into()].into_iter().chain(rest).collect();
        e
    })
}
