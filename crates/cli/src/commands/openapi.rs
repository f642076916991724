//! `posthaste openapi`: the document that the server gives at `/openapi.json`.

use crate::output::Out;

/// Prints it.
///
/// # Errors
/// When standard output is gone.
pub(crate) fn run(out: Out) -> anyhow::Result<()> {
    out.line(posthaste_api::openapi().to_pretty_json()?)
}
