//! The types of the contract's generic forms.

use crate::error::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Room,
    Bot,
    Message,
}

impl Kind {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "user" | "users" => Ok(Self::User),
            "room" | "rooms" => Ok(Self::Room),
            "bot" | "bots" => Ok(Self::Bot),
            "message" | "messages" => Ok(Self::Message),
            other => {
                Err(Failure::request(format!("a homeserver has no content of the type `{other}`"))
                    .hinted("the types are user, bot, room and message"))
            }
        }
    }
}
