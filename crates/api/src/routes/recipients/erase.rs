//! `DELETE /v1/recipients/{recipient}`: erase what was sent to somebody.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use posthaste_core::broker::ListFilter;

use crate::detail::json_of;
use crate::input::path::RecipientPath;
use crate::input::query::{Query, parsed};
use crate::operations::bulk::{Action, OperationView};
use crate::responses::{BadHead, Common};
use crate::{Api, ApiError, Caller};

/// Erase a recipient
///
/// Cancels what waits for them and removes every task for them with its message, result, log and held message: an
/// operation as those of `/v1/tasks/bulk`, to be resumed until it is done. Tasks that run are asked to stop and are
/// erased by a later call. Suppressions stay: they are what keeps the recipient from being written to again; delete them
/// by themselves.
#[utoipa::path(
    delete, path = "/v1/recipients/{recipient}", tag = "recipients", operation_id = "erase_recipient",
    params(
        ("recipient" = String, Path, description = "An e-mail address, or `channel:recipient`.", min_length = 1, max_length = 255, example = "ann@example.com"),
        ("dry_run" = Option<bool>, Query, description = "Only count what would be erased and what left alone; `false` if left out."),
    ),
    responses((status = 200, description = "The operation, after its first slice.", body = OperationView), Common, BadHead)
)]
pub(crate) async fn handle(
    State(api): State<Api>,
    caller: Caller,
    RecipientPath { key, .. }: RecipientPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri);
    let dry_run = query.one("dry_run", parsed).unwrap_or(false);
    let dry_run = query.finish(dry_run)?;
    let filter = ListFilter { recipient: Some(key), ..ListFilter::default() };
    Ok(json_of(StatusCode::OK, &api.start_operation(&caller, Action::Erase, filter, dry_run).await?))
}
