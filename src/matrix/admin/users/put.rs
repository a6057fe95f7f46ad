//! `PUT /_synapse/admin/v2/users/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#create-or-modify-account

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedUserId, UserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v2/users/{user_id}",
}

/// Makes an account, or changes what is given of one.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) displayname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avatar_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<bool>,
    /// `bot` hides an account from statistics of people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_type: Option<String>,
    /// Whether the account refuses everything; ignored of one that is made now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) locked: Option<bool>,
}

impl Request {
    /// Changes that alone: a locked account can neither log in nor use a session.
    pub(crate) fn locked(user_id: &UserId, locked: bool) -> Self {
        Self { locked: Some(locked), ..Self::nothing(user_id) }
    }

    /// Changes the display name alone; an empty one is none.
    pub(crate) fn named(user_id: &UserId, name: &str) -> Self {
        Self { displayname: Some(name.to_owned()), ..Self::nothing(user_id) }
    }

    /// Changes the picture alone; an empty address is none.
    pub(crate) fn pictured(user_id: &UserId, url: &str) -> Self {
        Self { avatar_url: Some(url.to_owned()), ..Self::nothing(user_id) }
    }

    fn nothing(user_id: &UserId) -> Self {
        Self {
            user_id: user_id.to_owned().into(),
            password: None,
            displayname: None,
            avatar_url: None,
            admin: None,
            user_type: None,
            locked: None,
        }
    }
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
    fn only_what_is_given_is_sent() {
        let request = Request {
            user_id: OwnedUserId::try_from("@u:h").unwrap().into(),
            password: Some("p\"w".into()),
            displayname: None,
            avatar_url: None,
            admin: Some(false),
            user_type: None,
            locked: None,
        };
        assert_eq!(body(request).1, r#"{"password":"p\"w","admin":false}"#);
    }
}
