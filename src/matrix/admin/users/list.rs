//! `GET /_synapse/admin/v3/users` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#list-accounts-v3

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use super::get::User;

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v3/users",
}

/// Asks for one page of all accounts.
#[request]
pub(crate) struct Request {
    /// Where the page starts: `next_token` of the one before.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    #[ruma_api(query)]
    pub(crate) limit: u32,
    /// Whether to show only those with this flag.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deactivated: Option<bool>,
    /// Whether to show locked ones too, which are left out otherwise.
    #[ruma_api(query)]
    pub(crate) locked: bool,
    /// Part of the localpart or of the display name.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The field that it sorts by: the id where none is named.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_by: Option<String>,
    /// `f`, or `b` from the highest down.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) users: Vec<User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_page_of_users_is_asked_for_and_read() {
        let request = Request {
            from: Some("100".into()),
            limit: 100,
            deactivated: None,
            locked: true,
            name: None,
            order_by: Some("last_seen_ts".into()),
            dir: Some("b".into()),
        };
        assert!(
            body(request)
                .0
                .ends_with("/v3/users?from=100&limit=100&locked=true&order_by=last_seen_ts&dir=b")
        );
        let page = answer::<Response>(
            r#"{"users": [{"name": "@u:h", "is_guest": 0, "admin": false, "user_type": null,
                "deactivated": false, "displayname": null, "avatar_url": null,
                "creation_ts": 1560432668000, "locked": false}], "next_token": "100", "total": 200}"#,
        );
        assert_eq!((page.users.len(), page.next_token.as_deref()), (1, Some("100")));
    }
}
