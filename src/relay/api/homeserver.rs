//! What the homeserver asks of an application service ([specification]). Synapse takes only an answer of 200 with
//! JSON of a known length for one, and repeats everything else for ever.
//!
//! [specification]: https://spec.matrix.org/latest/application-service-api/

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{answer, parts::Path, problem::Problem};
use crate::{
    listener::request,
    relay::{Shared, ephemeral, inbound},
};

/// The largest transaction: a hundred events of 64 KiB, and what comes with them.
const LARGEST: usize = 16 << 20;

/// Each event is read by itself: somebody may have sent one that is nested deeper than anybody reads, and the
/// homeserver would repeat it with all others for ever.
#[derive(Deserialize)]
struct Transaction<'a> {
    #[serde(borrow, default)]
    events: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    ephemeral: Vec<&'a RawValue>,
}

fn each(events: &[&RawValue]) -> Vec<Value> {
    let read = |event: &&RawValue| {
        let read = serde_json::from_str(event.get());
        read.inspect_err(|error| tracing::warn!("an event is left out: {error}")).ok()
    };
    events.iter().filter_map(read).collect()
}

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
    if !shared.tail.is_there() {
        shared.kept.more();
        return Err(Problem::no_database());
    }
    let body: Transaction<'_> = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad(format!("the body: {error}")))?;
    let events = each(&body.events);
    if let Err(error) = inbound::take(&shared, &id, &events).await {
        shared.kept.more();
        return Err(error.into());
    }
    shared.counts.received(events.len());
    ephemeral::take_all(&shared, &each(&body.ephemeral)).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_nobody_can_read_is_left_out_and_the_others_are_taken() {
        let deep = format!("{}1{}", r#"{"x":"#.repeat(200), "}".repeat(200));
        let body = format!(r#"{{ "events": [{{ "n": 1 }}, {deep}, {{ "n": 2 }}], "other": 1 }}"#);
        let body: Transaction<'_> = serde_json::from_str(&body).unwrap();
        assert_eq!(each(&body.events), [json!({ "n": 1 }), json!({ "n": 2 })]);
        assert!(body.ephemeral.is_empty());
    }
}
