//! The rate limit of one user.

use std::fmt;

use ruma::UserId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    matrix::{Error, admin::users::get_ratelimit, client::Client},
    output::{Report, fields},
};

/// The limit of a user; both numbers are 0 where there is none, and missing where it is that of everybody.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Limit {
    user_id: String,
    /// Whether the user has a limit that is not that of everybody.
    pub(super) own: bool,
    /// How many messages a second, in the long run.
    per_second: Option<u32>,
    /// How many at once.
    burst: Option<u32>,
    /// Whether it was changed now.
    pub(super) changed: bool,
}

impl Limit {
    pub(super) fn new(user_id: &UserId, limit: Option<(u32, u32)>, changed: bool) -> Self {
        let (per_second, burst) = limit.unzip();
        Self { user_id: user_id.to_string(), own: limit.is_some(), per_second, burst, changed }
    }

    fn said(&self) -> String {
        match self.per_second.zip(self.burst) {
            None => "that of everybody".into(),
            Some((0, 0)) => "none at all".into(),
            Some((per_second, burst)) => format!("{per_second} messages a second, {burst} at once"),
        }
    }
}

/// What a user has of their own.
pub(super) async fn now(operator: &Client, user_id: &UserId) -> Result<Option<(u32, u32)>, Error> {
    let request = get_ratelimit::Request { user_id: user_id.to_owned().into() };
    let found = operator.send(request).await?;
    Ok(found.messages_per_second.zip(found.burst_count))
}

impl Report for Limit {
    fn text(&self, page: &mut String) -> fmt::Result {
        fields(page, &[("User", self.user_id.clone()), ("Limit", self.said())])
    }

    fn id(&self) -> Option<&str> {
        Some(&self.user_id)
    }
}
