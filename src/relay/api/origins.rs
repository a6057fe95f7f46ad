//! Which pages may ask: those of the relay's own host, as of any, and those of the origins that are set ([CORS]). A key
//! or token is needed all the same; this only keeps pages of others from using one that a browser holds.
//!
//! [CORS]: https://fetch.spec.whatwg.org/#http-cors-protocol

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::cors::CorsLayer;

use super::problem::Problem;
use crate::config::values::origin::Origin;

/// How long browsers need not ask again whether they may.
const KEPT: Duration = Duration::from_mins(10);

/// What tells browsers so.
pub(super) fn layer(origins: &[Origin]) -> CorsLayer {
    let origins = origins.iter().filter_map(|it| HeaderValue::try_from(&it.0).ok());
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([header::RETRY_AFTER])
        .max_age(KEPT)
        .vary([header::ORIGIN])
}

/// Browsers open a WebSocket for any page, and leave it to whoever answers to look where that comes from. What is no
/// browser says nothing of it.
pub(super) fn admit(headers: &HeaderMap, origins: &[Origin]) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let is_own = origin
        .split_once("://")
        .is_some_and(|(_, of)| host.is_some_and(|host| of.eq_ignore_ascii_case(host)));
    if is_own || origins.iter().any(|it| it.0 == origin) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "pages of this origin are not among `relay.origins`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_is_for_pages_of_the_own_host_and_of_the_origins_that_are_set() {
        let set = [Origin("https://app.example".to_owned())];
        let opens = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("chat.example:8443"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            admit(&headers, &set).is_ok()
        };
        for origin in [None, Some("https://app.example"), Some("https://chat.example:8443")] {
            assert!(opens(origin), "{origin:?}");
        }
        for origin in [
            "https://other.example",
            "https://app.example.other",
            "http://app.example",
            "https://chat.example",
            "null",
            "",
        ] {
            assert!(!opens(Some(origin)), "{origin}");
        }
    }
}
