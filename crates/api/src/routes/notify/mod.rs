//! `/notify`.

pub(crate) mod post;
