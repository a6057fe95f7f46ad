//! `PUT /_synapse/admin/v1/send_server_notice/<transaction_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/server_notices.html

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedEventId, OwnedTransactionId, OwnedUserId};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/send_server_notice/{transaction_id}",
}

/// Tells a user something in the name of the server.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) transaction_id: Segment<OwnedTransactionId>,
    pub(crate) user_id: OwnedUserId,
    pub(crate) content: Value,
}

impl Repeat for Request {
    // The same transaction id is the same notice.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) event_id: OwnedEventId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_notice_has_a_transaction_id() {
        let (address, body) = body(Request {
            transaction_id: OwnedTransactionId::from("t").into(),
            user_id: OwnedUserId::try_from("@u:h").unwrap(),
            content: serde_json::json!({ "body": "b" }),
        });
        assert!(address.ends_with("/send_server_notice/t"), "{address}");
        assert_eq!(body, r#"{"user_id":"@u:h","content":{"body":"b"}}"#);
    }
}
