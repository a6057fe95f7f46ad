//! The types of the contract's generic forms.

use serde_json::Value;

use crate::error::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Bot,
    Room,
    Hook,
    Message,
}

/// Something to make: what it is, and the details by name.
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) fields: Value,
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

    /// The type of what is made.
    pub(crate) fn of_new(text: &str) -> Result<Self, Failure> {
        Self::parse(text, "user, bot, room and message")
    }

    /// The type of what is there: of messages nobody has a list.
    pub(crate) fn of_known(text: &str) -> Result<Self, Failure> {
        Self::parse(text, "user, bot, room and hook")
    }

    /// A word is one of `those`, or one that the verb sends elsewhere.
    fn parse(text: &str, those: &str) -> Result<Self, Failure> {
        match text {
            "user" | "users" => Ok(Self::User),
            "room" | "rooms" => Ok(Self::Room),
            "bot" | "bots" => Ok(Self::Bot),
            "hook" | "hooks" | "webhook" | "webhooks" => Ok(Self::Hook),
            "message" | "messages" => Ok(Self::Message),
            other => {
                let other = other.escape_debug();
                Err(Failure::request(format!("a homeserver has no content of the type `{other}`"))
                    .hinted(format!("the types are {those}")))
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
