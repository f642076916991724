//! What a route asks of whoever calls it: one row per route and method, beside the router.

use std::collections::HashMap;

use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;

use super::{Caller, KeyScope};
use crate::metrics::RouteIndex;
use crate::{Api, ApiError};

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: signs of life, documentation, assets.
    Open,
    /// Nothing from us: the lease or the signed link in the request is the authority.
    Signed,
    /// Any key.
    Any,
    /// `send`; a tenant's key changes its own.
    Send,
    /// `send`, and no tenant: what is kept under names that all tenants share.
    SendAll,
    /// `read`; a tenant's key sees its own.
    Read,
    /// `read`, and no tenant: what belongs to the installation as a whole.
    ReadAll,
    /// `admin`.
    Admin,
}

impl Access {
    /// Whether a key is needed once there are any.
    pub(crate) const fn needs_key(self) -> bool {
        !matches!(self, Self::Open | Self::Signed)
    }

    /// The scope that is needed.
    pub(crate) const fn scope(self) -> Option<KeyScope> {
        match self {
            Self::Open | Self::Signed | Self::Any => None,
            Self::Send | Self::SendAll => Some(KeyScope::Send),
            Self::Read | Self::ReadAll => Some(KeyScope::Read),
            Self::Admin => Some(KeyScope::Admin),
        }
    }

    /// # Errors
    /// [`ApiError::ForbiddenScope`], [`ApiError::Forbidden`].
    pub(crate) fn check(self, caller: &Caller) -> Result<(), ApiError> {
        if let Some(needs) = self.scope()
            && !caller.scopes().allow(needs)
        {
            return Err(ApiError::ForbiddenScope { needs });
        }
        if matches!(self, Self::ReadAll | Self::SendAll) && caller.tenant().is_some() {
            return Err(ApiError::Forbidden {
                why: "this belongs to the installation as a whole, and the key is bound to a tenant: ask its operator",
            });
        }
        Ok(())
    }
}

/// A row of a table of routes.
#[derive(Debug, Clone, Copy)]
pub struct AccessRow {
    /// In lower case; `get` answers HEAD, too.
    pub method: &'static str,
    /// The pattern that the router matches.
    pub path: &'static str,
    /// What it asks for.
    pub access: Access,
}

/// Pages that are served beside the API, and how they tell a person what a program is told in JSON.
#[derive(Clone, Copy)]
pub struct Pages {
    /// Their routes.
    pub access: &'static [AccessRow],
    /// Makes the answer to a request that goes no further.
    pub refuse: fn(&Api, &Parts, ApiError) -> Response,
}

/// What a request's route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) access: Access,
    /// Whether it is a page, so that refusals are for people.
    pub(crate) page: bool,
}

/// What the methods of a path ask for.
type Methods = Vec<(&'static str, Asked)>;

/// The tables, by path.
pub(crate) struct Table {
    rows: HashMap<&'static str, (RouteIndex, Methods)>,
    routes: Vec<&'static str>,
}

impl Table {
    pub(crate) fn new(api: &'static [AccessRow], pages: &'static [AccessRow]) -> Self {
        let mut table = Self { rows: HashMap::new(), routes: Vec::new() };
        for (rows, page) in [(api, false), (pages, true)] {
            for row in rows {
                let (_, methods) = table.rows.entry(row.path).or_insert_with(|| {
                    table.routes.push(row.path);
                    (RouteIndex::new(row.path, table.routes.len() - 1), Vec::new())
                });
                methods.push((row.method, Asked { access: row.access, page }));
            }
        }
        table
    }

    /// The patterns, each once, in the order of their places.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &'static str> {
        self.routes.iter().copied()
    }

    /// The route of a request, as it is counted and logged.
    pub(crate) fn route(&self, pattern: Option<&str>) -> RouteIndex {
        pattern.and_then(|p| self.rows.get(p)).map_or_else(RouteIndex::default, |(route, _)| *route)
    }

    /// Of a request: a path that matched nothing, or a method that is not served, needs any key at
    /// all, so that nobody learns without one what is there.
    pub(crate) fn of(&self, method: &Method, pattern: Option<&str>) -> Asked {
        let rows = pattern.and_then(|p| self.rows.get(p)).map_or(&[][..], |(_, rows)| rows.as_slice());
        let name = if method == Method::HEAD { "GET" } else { method.as_str() };
        let found = rows.iter().find(|(m, _)| m.eq_ignore_ascii_case(name));
        found.map_or(Asked { access: Access::Any, page: false }, |(_, asked)| *asked)
    }
}

/// Makes a router and its table of [`AccessRow`]s from the same lines, so that no route is without
/// its row: `get "/path" => path::to::handle, Read;`.
#[macro_export]
macro_rules! routes {
    ($(#[$doc:meta])* $vis:vis fn $router:ident -> $table:ident;
     $($method:ident $path:literal => $handler:path, $access:ident;)*) => {
        /// What each route asks for.
        $vis const $table: &[$crate::AccessRow] = &[$($crate::AccessRow {
            method: stringify!($method), path: $path, access: $crate::Access::$access,
        }),*];

        $(#[$doc])*
        $vis fn $router() -> ::axum::Router<$crate::Api> {
            ::axum::Router::new()$(.route($path, ::axum::routing::$method($handler)))*
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_no_table_needs_a_key() {
        const ROWS: &[AccessRow] = &[AccessRow { method: "get", path: "/a", access: Access::Open }];
        let table = Table::new(ROWS, &[]);
        assert_eq!(table.of(&Method::GET, Some("/a")).access, Access::Open);
        assert_eq!(table.of(&Method::HEAD, Some("/a")).access, Access::Open);
        assert_eq!(table.of(&Method::POST, Some("/a")).access, Access::Any);
        assert_eq!(table.of(&Method::GET, Some("/b")).access, Access::Any);
        assert_eq!(table.of(&Method::GET, None).access, Access::Any);
        assert!(Access::Any.needs_key());
    }
}
