//! `DELETE /_synapse/admin/v1/media/<server_name>/<media_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/media_admin_api.html#delete-a-specific-local-media

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: DELETE,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/media/{server_name}/{media_id}",
}

/// Deletes a file of this server.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) server_name: Segment<String>,
    #[ruma_api(path)]
    pub(crate) media_id: Segment<String>,
}

impl Repeat for Request {
    // What is deleted already is not found.
    const REPEATABLE: bool = false;
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
        assert!(address.ends_with("/media/h/m"), "{address}");
        assert_eq!(body, "{}");
    }
}
