//! The types of the contract's generic forms.

use crate::error::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands::content) enum Kind {
    User,
    Room,
    Bot,
    Hook,
    Message,
}

impl Kind {
    /// What a name says by its form: `@name`, or `#alias` and `!id`.
    pub(in crate::commands::content) fn of(name: &str) -> Option<Self> {
        match name.chars().next()? {
            '@' => Some(Self::User),
            '#' | '!' => Some(Self::Room),
            _ => None,
        }
    }

    pub(in crate::commands::content) fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "user" | "users" => Ok(Self::User),
            "room" | "rooms" => Ok(Self::Room),
            "bot" | "bots" => Ok(Self::Bot),
            "hook" | "hooks" | "webhook" | "webhooks" => Ok(Self::Hook),
            "message" | "messages" => Ok(Self::Message),
            other => {
                Err(Failure::request(format!("a homeserver has no content of the type `{other}`"))
                    .hinted("the types are user, bot, hook, room and message"))
            }
        }
    }
}
