//! The types of the contract's generic forms.

use crate::error::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Bot,
    Room,
    Hook,
    Message,
}

impl Kind {
    /// What a name says by its form: `@name`, or `#alias` and `!id`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name.chars().next()? {
            '@' => Some(Self::User),
            '#' | '!' => Some(Self::Room),
            _ => None,
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
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

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Bot => "bot",
            Self::Room => "room",
            Self::Hook => "hook",
            Self::Message => "message",
        }
    }
}
