//! The routes.

use axum::Router;

use crate::Api;

pub(crate) fn router(_api: Api) -> Router {
    Router::new()
}
