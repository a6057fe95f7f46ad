//! The relay's HTTP interface: what the application asks for, and what the homeserver tells.

mod asked;
mod chat;
mod homeserver;
mod problem;
mod stream;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{delete, get, post, put},
};
use http::{StatusCode, header};
use serde_json::Value;

use super::Shared;
use problem::Problem;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let chat = Router::new()
        .route("/conversations", post(chat::create).get(chat::list))
        .route("/conversations/{id}", get(chat::show))
        .route("/conversations/{id}/participants", post(chat::join))
        .route("/conversations/{id}/participants/{user}", delete(chat::leave))
        .route("/conversations/{id}/messages", post(chat::post).get(chat::history))
        .route("/messages/{id}", put(chat::edit).delete(chat::delete))
        .route("/messages/{id}/reactions", post(chat::react).delete(chat::unreact))
        .route("/conversations/{id}/typing", post(chat::typing))
        .route("/messages/{id}/receipts", post(chat::read))
        .route("/events", get(chat::events))
        .route("/stream", get(stream::stream))
        .route("/event/{slug}/join", post(chat::join_by_slug))
        .route("/event/{slug}/typing", post(chat::typing_by_slug))
        .route("/event/{slug}/message", post(chat::post_by_slug));
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
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
        })
        .with_state(shared)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Whether something could be accepted now.
async fn health(State(shared): State<Arc<Shared>>) -> Response {
    // What cannot be written cannot be accepted: a database that only reads is none.
    let writes: Result<String, _> =
        sqlx::query_scalar("SHOW transaction_read_only").fetch_one(&shared.pool).await;
    match writes.as_deref() {
        Ok("off") => "OK".into_response(),
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database takes nothing")
            .into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let kind = "text/plain; version=0.0.4";
    ([(header::CONTENT_TYPE, kind)], shared.counts.exposed()).into_response()
}
