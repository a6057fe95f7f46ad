//! What is answered to who gets nothing else: problem details ([RFC 9457]).
//!
//! [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use sqlx::error::DatabaseError;
use uuid::Uuid;

use crate::{listener::request::Unread, matrix, relay::tokens::Refused};

/// When somebody may come again where the database does not take anything.
pub(super) const LATER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    wait: Option<Duration>,
    /// Whether it is the token that is wrong, and not that there is none.
    is_token: bool,
    /// The position after which a reader can go on.
    resume: Option<i64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), wait: None, is_token: false, resume: None }
    }

    /// What the homeserver was asked for on the way.
    pub(super) fn of_homeserver(error: &matrix::Error) -> Self {
        tracing::warn!("the homeserver did not give what was asked for: {error}");
        let detail = "the homeserver does not answer, or does not give it";
        Self { wait: Some(LATER), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// An error of ours, which is in the log.
    pub(super) fn broken() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the relay has a defect; `logs relay` says which",
        )
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Of a key or token that opens nothing.
    pub(super) fn unknown(detail: impl Into<String>) -> Self {
        Self { is_token: true, ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// The same where this is what became of `Idempotency-Key`, and something else was said with it before.
    pub(super) fn of_repeat(self, operation: Option<Uuid>) -> Self {
        if operation.is_none() || self.status != StatusCode::CONFLICT {
            return self;
        }
        let detail =
            format!("this `Idempotency-Key` came before with something else: {}", self.detail);
        Self { detail, ..self }
    }

    /// Of a position that cannot be gone on from.
    pub(super) fn resuming(self, position: i64) -> Self {
        Self { resume: Some(position), ..self }
    }

    pub(super) fn later(self, wait: Duration) -> Self {
        Self { wait: Some(wait), ..self }
    }
}

pub(super) fn absent(what: &str, id: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {what} {id}"))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut body = json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(position) = self.resume {
            body["resume"] = position.into();
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(wait) = self.wait {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let why = if self.is_token { "Bearer error=\"invalid_token\"" } else { "Bearer" };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(why));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        // What is left of the body is not waited for.
        if matches!(self.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl Problem {
    /// That the database is not there.
    pub(super) fn no_database() -> Self {
        let why = "nothing is accepted: the database does not answer";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why).later(LATER)
    }

    /// That somebody else keeps the conversation.
    pub(super) fn waits() -> Self {
        let why = "nothing was accepted: another transaction in the database has locked the conversation; ask again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why).later(LATER)
    }

    pub(super) fn unanswered() -> Self {
        let why = "the database did not answer in time, so nobody knows whether it was accepted; with the same \
                   `Idempotency-Key` a repeat is harmless";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why).later(LATER)
    }
}

impl From<Unread> for Problem {
    fn from(why: Unread) -> Self {
        Self::new(why.status(), why.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(why: Refused) -> Self {
        let detail = why.to_string();
        match why {
            Refused::NoKeys => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).later(LATER),
            Refused::NoUser => Self::new(StatusCode::FORBIDDEN, detail),
            _ => Self::unknown(detail),
        }
    }
}

/// What the database refuses is refused; all else passes.
impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => return Self::no_database(),
            // The last that was asked may have been the end of the transaction.
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
                return Self::unanswered();
            }
            _ => {}
        }
        let said = error.as_database_error();
        let code = said.and_then(DatabaseError::code).unwrap_or_default();
        if code == "55P03" {
            return Self::waits();
        }
        let status = match &*code {
            "RL400" | "22021" | "22P05" => StatusCode::BAD_REQUEST,
            "RL403" => StatusCode::FORBIDDEN,
            "RL404" => StatusCode::NOT_FOUND,
            "RL409" | "23505" => StatusCode::CONFLICT,
            "RL410" => StatusCode::GONE,
            "53100" => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let detail = match (&*code, said) {
            (code, Some(said)) if code.starts_with("RL") => said.message().to_owned(),
            ("22021" | "22P05", _) => "a text holds the character NUL".to_owned(),
            ("23505", Some(said)) if said.constraint().is_some_and(|it| it.contains("slug")) => {
                "another conversation has this slug: `GET /conversations/SLUG` shows it".to_owned()
            }
            ("23505", _) => "something else has this id".to_owned(),
            ("53100", _) => "nothing was accepted: the disk of the database is full".to_owned(),
            _ => {
                tracing::error!("nothing was accepted: {error}");
                "nothing was accepted: the database does not take it".to_owned()
            }
        };
        let wait = status.is_server_error().then_some(LATER);
        Self { wait, ..Self::new(status, detail) }
    }
}
