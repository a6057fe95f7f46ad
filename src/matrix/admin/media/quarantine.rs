//! `POST /_synapse/admin/v1/media/quarantine/<server_name>/<media_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/media_admin_api.html#quarantining-media-by-id

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/media/quarantine/{server_name}/{media_id}",
}

/// Keeps everybody from seeing a file.
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
    fn a_file_is_named() {
        let (address, body) =
            body(Request { server_name: "h".to_owned().into(), media_id: "m".to_owned().into() });
        assert!(address.ends_with("/media/quarantine/h/m"), "{address}");
        assert_eq!(body, "{}");
    }
}
