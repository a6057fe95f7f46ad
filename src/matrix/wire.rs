//! Endpoints as they go over the wire, for their tests.

use ruma::api::{IncomingResponse, IncomingResponseExt as _, OutgoingBody as _, OutgoingRequest};

use crate::matrix::client::Versioned;

/// The address and the body of a request, as they go over the wire.
pub(crate) fn body<R>(request: R) -> (String, String)
where
    R: OutgoingRequest,
    R::PathBuilder: Versioned,
{
    let input = <R::PathBuilder as Versioned>::input();
    let request = request.try_into_http_request_inner("http://h", input).unwrap();
    let address = request.uri().to_string();
    let bytes: Vec<u8> = request.into_body().try_into_buf().ok().unwrap();
    (address, String::from_utf8(bytes).unwrap())
}

/// An answer with this body.
pub(crate) fn answer<R: IncomingResponse>(json: &str) -> R {
    R::try_from_http_response(http::Response::new(json.as_bytes())).unwrap()
}
