//! The relay's HTTP interface: what the application asks for, and what the homeserver tells.

mod asked;
mod conversations;
mod files;
mod frames;
mod homeserver;
mod messages;
mod openapi;
mod origins;
mod own;
mod parts;
mod people;
mod problem;
mod reader;
mod socket;
mod stream;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post, put},
};
use http::{StatusCode, header};
use serde_json::Value;
use tokio::{sync::watch, time::timeout};

use super::{Shared, counts::Counts};
use problem::Problem;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let chat = Router::new()
        .route("/conversations", post(conversations::create).get(conversations::list))
        .route("/conversations/{which}", get(conversations::show))
        .route("/conversations/{which}/participants", post(conversations::join))
        .route("/conversations/{which}/participants/{user}", delete(conversations::leave))
        .route("/conversations/{which}/typing", post(conversations::typing))
        .route("/conversations/{which}/messages", post(messages::post).get(messages::history))
        .route("/users/{id}", put(people::put).get(people::show))
        .route("/users/{id}/presence", put(people::is_present))
        .route("/messages/{id}", put(messages::edit).delete(messages::delete))
        .route("/messages/{id}/reactions", post(messages::react).delete(messages::unreact))
        .route("/messages/{id}/receipts", post(messages::read))
        .route("/events", get(messages::events))
        .route("/openapi.json", get(openapi::show))
        .route("/stream", get(stream::stream))
        .route("/socket", get(socket::socket))
        .route("/event/{which}/join", post(conversations::join))
        .route("/event/{which}/typing", post(conversations::typing))
        .route("/event/{which}/message", post(messages::post))
        .layer(middleware::from_fn(in_time))
        // Files take as long as they are large.
        .route("/conversations/{which}/files", post(files::post))
        .route("/messages/{id}/file", get(files::get))
        .route("/users/{id}/avatar", get(people::avatar))
        .method_not_allowed_fallback(no_such_method);
    // What answers here answers pages of others too, and browsers that ask whether they may.
    let chat =
        if shared.origins.is_empty() { chat } else { chat.layer(origins::layer(&shared.origins)) };
    Router::new()
        .nest("/api/chat", chat)
        .route("/_matrix/app/v1/transactions/{id}", put(homeserver::transaction))
        .route("/_matrix/app/v1/users/{id}", get(homeserver::exists))
        .route("/_matrix/app/v1/rooms/{alias}", get(homeserver::exists))
        .route("/_matrix/app/v1/ping", post(homeserver::ping))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address")
        })
        .method_not_allowed_fallback(no_such_method)
        .with_state(shared)
}

/// A database that hangs answers nobody, and whoever waits for it hears nothing.
async fn in_time(request: Request, next: Next) -> Response {
    let answered = timeout(PATIENCE, next.run(request)).await;
    answered.unwrap_or_else(|_| Problem::unanswered().into_response())
}

/// While there is no database: whoever asks is told why.
pub(super) fn closed(counts: Counts, why: watch::Receiver<String>) -> Router {
    let refused = || async move {
        let why = format!("nothing is accepted: {}", *why.borrow());
        let why = Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).later(problem::LATER);
        // The next request on this connection would come here too.
        ([(header::CONNECTION, "close")], why)
    };
    Router::new().route("/metrics", get(|| async move { exposed(&counts) })).fallback(refused)
}

async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Whether something could be accepted now, and reaches people.
async fn health(State(shared): State<Arc<Shared>>) -> Response {
    // What cannot be written cannot be accepted: a database that only reads is none.
    let writes: Result<String, _> =
        sqlx::query_scalar("SHOW transaction_read_only").fetch_one(&shared.pool).await;
    let trouble = match writes.as_deref() {
        Ok("off") => shared.counts.trouble(),
        Ok(_) => Some("the database only reads: nothing is accepted".to_owned()),
        Err(error) => Some(format!("nothing is accepted: the database does not answer: {error}")),
    };
    match trouble {
        None => "OK".into_response(),
        Some(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    exposed(&shared.counts)
}

fn exposed(counts: &Counts) -> Response {
    let kind = "text/plain; version=0.0.4";
    ([(header::CONTENT_TYPE, kind)], counts.exposed()).into_response()
}
