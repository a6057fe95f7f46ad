//! `POST /_matrix/media/v3/upload` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixmediav3upload

use http::header::CONTENT_TYPE;
use ruma::{
    OwnedMxcUri,
    api::{auth_scheme::AccessToken, metadata, request, response},
};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/media/v3/upload",
}

/// Puts a file onto the server.
#[request]
pub(crate) struct Request {
    /// None of what is sealed: it says what is in there.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filename: Option<String>,
    #[ruma_api(header = CONTENT_TYPE)]
    pub(crate) content_type: String,
    #[ruma_api(raw_body)]
    pub(crate) file: Vec<u8>,
}

impl Repeat for Request {
    // The second would be another file.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    pub(crate) content_uri: OwnedMxcUri,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn the_bytes_are_the_body_and_the_name_is_in_the_address() {
        let put = |filename: Option<&str>| {
            let (filename, content_type) = (filename.map(str::to_owned), "text/plain".to_owned());
            body(Request { filename, content_type, file: b"bytes".to_vec() })
        };
        let (address, body) = put(Some("a b&c.txt"));
        assert_eq!(address, "http://h/_matrix/media/v3/upload?filename=a+b%26c.txt");
        assert_eq!(body, "bytes");
        assert_eq!(put(None).0.trim_end_matches('?'), "http://h/_matrix/media/v3/upload");
    }
}
