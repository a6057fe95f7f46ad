//! `GET /_synapse/admin/v1/users/<user_id>/media` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#list-media-uploaded-by-a-user

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/media",
}

/// Asks for one page of what a user uploaded, the latest first.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    /// Where the page starts: `next_token` of the one before.
    #[ruma_api(query)]
    pub(crate) from: u64,
    #[ruma_api(query)]
    pub(crate) limit: u32,
    /// The field that it sorts by: when it was made where none is named.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_by: Option<String>,
    /// `f`, or `b` from the highest down.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<String>,
}

impl Request {
    /// The newest first.
    pub(crate) fn newest(user_id: OwnedUserId, limit: u32) -> Self {
        Self { user_id: user_id.into(), from: 0, limit, order_by: None, dir: None }
    }
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) media: Vec<File>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<u64>,
}

/// A file that a user uploaded; times are milliseconds since the epoch.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct File {
    pub(crate) media_id: String,
    pub(crate) media_type: Option<String>,
    pub(crate) media_length: Option<u64>,
    pub(crate) upload_name: Option<String>,
    pub(crate) created_ts: u64,
    pub(crate) last_access_ts: Option<u64>,
    pub(crate) quarantined_by: Option<String>,
    #[serde(default)]
    pub(crate) safe_from_quarantine: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_page_of_files_is_asked_for_and_read() {
        let (address, _) = body(Request {
            user_id: OwnedUserId::try_from("@u:h").unwrap().into(),
            from: 100,
            limit: 50,
            order_by: None,
            dir: None,
        });
        assert!(address.ends_with("/users/@u:h/media?from=100&limit=50"), "{address}");
        let page = answer::<Response>(
            r#"{"media": [{"created_ts": 100400, "last_access_ts": null, "media_id": "qXhyRz",
                "media_length": 67, "media_type": "image/png", "quarantined_by": null,
                "safe_from_quarantine": false, "upload_name": "test1.png"}], "next_token": 3,
                "total": 2}"#,
        );
        assert_eq!((page.media[0].media_length, page.next_token), (Some(67), Some(3)));
    }
}
