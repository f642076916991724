//! `POST /send`: the form where scripts do not run. With a script the page posts `/notify/` itself.

use axum::Form as Posted;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use posthaste_api::{Api, ApiError, Caller, Loc};
use posthaste_notify::{EmailAddress, Notification};
use serde::Deserialize;

use crate::origin;
use crate::pages::{failed, foreign, overview, problem};
use crate::present::Asked;
use crate::view::{Field, Form};

/// What the form holds.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    email: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    csrf: Option<String>,
}

/// A form with nothing in it.
pub(crate) fn empty_form() -> Form {
    form(Typed::default())
}

/// Stores the notification and goes to its page; shows the form again, as it was filled in, when it
/// was not stored.
pub(crate) async fn submit(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    typed: Result<Posted<Typed>, FormRejection>,
) -> Response {
    if origin::is_foreign(&headers) {
        return foreign(&api);
    }
    let typed = match typed {
        Ok(Posted(typed)) => typed,
        Err(e) => return problem(&api, e.status(), "The form could not be read", e.body_text()),
    };
    if let Err(e) = caller.check_form(typed.csrf.as_deref()) {
        return failed(&api, &e);
    }
    let error = match notification(&typed) {
        Ok(n) => match api.notify(&caller, n).await {
            Ok(enqueued) => return Redirect::to(&format!("/tasks/{}", enqueued.id)).into_response(),
            Err(e) => e,
        },
        Err(why) => ApiError::field(["body", "email"], "value_error", why),
    };
    let status = error.status();
    overview::show(&api, &caller, status, refused(typed, &error), Asked::default()).await
}

fn notification(typed: &Typed) -> Result<Notification, String> {
    let to: EmailAddress =
        typed.email.trim().parse().map_err(|e: posthaste_notify::AddressError| e.to_string())?;
    let given = |s: &str| (!s.is_empty()).then(|| s.to_owned());
    // Browsers send line breaks as CR LF; messages hold LF.
    let message = given(&typed.message.replace("\r\n", "\n"));
    Ok(Notification { subject: given(&typed.subject), message, ..Notification::to(to) })
}

/// The form with what was typed and what is wrong with it.
fn refused(typed: Typed, error: &ApiError) -> Form {
    let mut form = form(typed);
    let mut rest = Vec::new();
    for e in error.errors() {
        let name = match e.loc.last() {
            // The notification's own name for the recipient.
            Some(Loc::Name(n)) if n == "to" => "email",
            Some(Loc::Name(n)) => n.as_str(),
            _ => "",
        };
        match form.fields.iter_mut().find(|f| f.name == name) {
            Some(field) => field.error = Some(e.msg.clone()),
            None => rest.push(e.msg.clone()),
        }
    }
    if !rest.is_empty() {
        form.problem = Some(rest.join(" "));
    } else if error.errors().is_empty() {
        form.problem = Some(format!("{} What you typed is still here.", error.detail()));
    }
    form
}

fn form(typed: Typed) -> Form {
    let field = |name, label, value| Field {
        name,
        label,
        input: "text",
        autocomplete: "off",
        placeholder: "",
        required: false,
        multiline: false,
        value,
        error: None,
    };
    Form {
        problem: None,
        allowed: true,
        fields: vec![
            Field {
                input: "email",
                autocomplete: "email",
                placeholder: "name@example.com",
                required: true,
                ..field("email", "E-mail address", typed.email)
            },
            field("subject", "Subject", typed.subject),
            Field { multiline: true, ..field("message", "Message", typed.message) },
        ],
    }
}

/// The form as `refused` makes it, for the samples.
#[cfg(test)]
pub(crate) fn sample_refused(email: &str, message: &str, error: &ApiError) -> Form {
    refused(Typed { email: email.into(), subject: String::new(), message: message.into(), csrf: None }, error)
}
