//! Reading requests so that every mistake is named: bodies, fields, query strings, paths.

pub(crate) mod body;
pub(crate) mod bulk;
pub(crate) mod draft;
pub(crate) mod fields;
pub(crate) mod json;
pub(crate) mod limits;
pub(crate) mod multipart;
pub(crate) mod notification;
pub(crate) mod path;
pub(crate) mod pause;
pub(crate) mod query;
pub(crate) mod retry;
pub(crate) mod simple;
