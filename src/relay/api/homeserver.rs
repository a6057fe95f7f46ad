//! What the homeserver asks of an application service ([specification]). Synapse takes only an answer of 200 with
//! JSON of a known length for one, and repeats everything else for ever.
//!
//! [specification]: https://spec.matrix.org/latest/application-service-api/

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{answer, problem::Problem};
use crate::{
    listener::request,
    relay::{Shared, ephemeral, inbound},
};

/// The largest transaction: a hundred events of 64 KiB, and what comes with them.
const LARGEST: usize = 16 << 20;

fn admit(shared: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    match request::token(headers) {
        Some(token) if request::is(token, shared.hs_token.expose()) => Ok(()),
        _ => Err(Problem::new(StatusCode::FORBIDDEN, "this is not the token of the homeserver")),
    }
}

pub(super) async fn transaction(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    asked: Request,
) -> Result<Response, Problem> {
    let (head, body) = asked.into_parts();
    admit(&shared, &head.headers)?;
    request::announced(&head.headers, LARGEST)?;
    let body = request::read(body, LARGEST).await?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad(format!("the body: {error}")))?;
    let events = body["events"].as_array().map_or(&[][..], Vec::as_slice);
    inbound::take(&shared, &id, events).await?;
    let passing = body["ephemeral"].as_array().map_or(&[][..], Vec::as_slice);
    ephemeral::take_all(&shared, passing).await;
    Ok(answer(StatusCode::OK, &json!({})))
}

/// All that there are of its users and aliases it has made itself.
pub(super) async fn exists(
    State(shared): State<Arc<Shared>>,
    asked: Request,
) -> Result<Response, Problem> {
    admit(&shared, asked.headers())?;
    Ok(answer(StatusCode::NOT_FOUND, &json!({ "errcode": "M_NOT_FOUND", "error": "not here" })))
}

pub(super) async fn ping(
    State(shared): State<Arc<Shared>>,
    asked: Request,
) -> Result<Response, Problem> {
    admit(&shared, asked.headers())?;
    Ok(answer(StatusCode::OK, &json!({})))
}
