//! `GET /_synapse/admin/v2/users/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#query-user-account

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v2/users/{user_id}",
}

/// Asks for one account.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    #[ruma_api(body)]
    pub(crate) user: User,
}

/// What Synapse tells of one account; times are milliseconds since the epoch.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct User {
    pub(crate) name: OwnedUserId,
    pub(crate) displayname: Option<String>,
    #[serde(default)]
    pub(crate) avatar_url: Option<String>,
    #[serde(default)]
    pub(crate) admin: bool,
    #[serde(default)]
    pub(crate) deactivated: bool,
    #[serde(default)]
    pub(crate) locked: bool,
    /// Refused everything but to read.
    #[serde(default)]
    pub(crate) suspended: bool,
    /// Told that all is sent, and heard by nobody.
    #[serde(default)]
    pub(crate) shadow_banned: bool,
    #[serde(default)]
    pub(crate) creation_ts: u64,
    #[serde(default)]
    pub(crate) user_type: Option<String>,
    /// The bridge that it belongs to.
    #[serde(default)]
    pub(crate) appservice_id: Option<String>,
    #[serde(default)]
    pub(crate) last_seen_ts: Option<u64>,
}

/// What the server keeps of an account that a bot is.
pub(crate) const BOT: &str = "bot";

impl User {
    pub(crate) fn is_bot(&self) -> bool {
        self.user_type.as_deref() == Some(BOT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn an_account_without_a_name_is_read() {
        let user_id = OwnedUserId::try_from("@a/b:x.org").unwrap().into();
        assert_eq!(body(Request { user_id }).0, "http://h/_synapse/admin/v2/users/@a%2Fb:x.org");
        let user = answer::<Response>(
            r#"{"name": "@user:example.com", "displayname": null, "admin": false,
                "deactivated": false, "creation_ts": 1560432668000, "user_type": null}"#,
        )
        .user;
        assert_eq!((user.name.as_str(), user.displayname), ("@user:example.com", None));
    }
}
