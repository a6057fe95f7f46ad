//! Synapse's admin API, one endpoint a file, in ruma's style ([docs]).
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/

pub(crate) mod federation;
pub(crate) mod fetch_event;
pub(crate) mod register;
pub(crate) mod rooms;
pub(crate) mod statistics;
pub(crate) mod users;

#[cfg(test)]
mod wire {
    use ruma::api::{
        IncomingResponse, IncomingResponseExt as _, OutgoingBody as _, OutgoingRequest,
    };

    use crate::matrix::client::Versioned;

    /// The address and the body of a request, as they go over the wire.
    pub(super) fn body<R>(request: R) -> (String, String)
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
    pub(super) fn answer<R: IncomingResponse>(json: &str) -> R {
        R::try_from_http_response(http::Response::new(json.as_bytes())).unwrap()
    }
}
