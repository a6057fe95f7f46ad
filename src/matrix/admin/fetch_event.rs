//! `GET /_synapse/admin/v1/fetch_event/<event_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/fetch_event.html

use ruma::OwnedEventId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/fetch_event/{event_id}",
}

/// Asks for an event, whatever room it is in.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) event_id: Segment<OwnedEventId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) event: Value,
}
