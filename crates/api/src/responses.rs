//! Sets of error responses that operations share in the OpenAPI document.

use utoipa::IntoResponses;

use crate::error::ProblemBody;

/// What the server answers before any operation sees the request; without a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes responses, is never built")]
pub(crate) enum BadHead {
    /// The address is longer than 64 KiB.
    #[response(status = 414)]
    AddressTooLong,
    /// The head of the request is larger than 64 KiB.
    #[response(status = 431)]
    HeadTooLarge,
}

macro_rules! problem_responses {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $status:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(IntoResponses)]
        #[expect(dead_code, reason = "describes responses, is never built")]
        pub(crate) enum $name {
            $($(#[$vdoc])* #[response(status = $status, content_type = "application/problem+json")] $variant(ProblemBody)),*
        }
    };
}

problem_responses!(
    /// What every operation under `/v1` may answer.
    Common {
        /// No key, or one that is not known, has been revoked or has expired.
        Unauthorized = 401,
        /// The key may not do this; or a wrong Host, or a page of another origin. `type` says which.
        Forbidden = 403,
        /// A field is not acceptable.
        Invalid = 422,
        /// Too many requests with the key, or too many attempts with keys that are not good; `Retry-After` says how long to wait.
        RateLimited = 429,
        /// A fault of the server; its log says more.
        Internal = 500,
        /// The store does not answer; nothing was changed. `Retry-After` says when to try again.
        Unavailable = 503,
    }
);

problem_responses!(
    /// What operations with a body may answer besides.
    WithBody {
        /// The body is not JSON; `errors` says from which byte on.
        Malformed = 400,
        /// The body took too long to arrive.
        Timeout = 408,
        /// The request is too large.
        TooLarge = 413,
        /// The content type is not `application/json`.
        MediaType = 415,
    }
);

problem_responses!(
    /// What uploads may answer besides.
    Upload {
        /// The file did not arrive whole.
        Malformed = 400,
        /// The file took too long to arrive.
        Timeout = 408,
        /// The file is too large.
        TooLarge = 413,
    }
);

problem_responses!(
    /// What operations on one thing may answer besides.
    OnOne {
        /// There is no such thing.
        NotFound = 404,
    }
);

problem_responses!(
    /// What operations that can come at the wrong moment may answer besides.
    Conflicting {
        /// Not in its present state; `type` says why.
        Conflict = 409,
    }
);
