//! `GET /_matrix/client/v1/media/download/<server_name>/<media_id>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv1mediadownloadservernamemediaid

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v1/media/download/{server_name}/{media_id}",
}

/// Asks for a file. It may be too large to be held: it is read piece by piece ([`crate::matrix::download`]).
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) server_name: Segment<String>,
    #[ruma_api(path)]
    pub(crate) media_id: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_file_is_asked_for_with_the_session() {
        let (server_name, media_id) = ("x.org:8448".to_owned().into(), "a%b".to_owned().into());
        assert_eq!(
            body(Request { server_name, media_id }).0,
            "http://h/_matrix/client/v1/media/download/x.org:8448/a%25b"
        );
    }
}
