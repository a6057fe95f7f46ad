//! The tags that a user puts on rooms, by which programs sort them ([spec]): putting one on, and taking it off.
//!
//! [spec]: https://spec.matrix.org/latest/client-server-api/#room-tagging

use schemars::JsonSchema;
use serde::Serialize;

use crate::{error::Failure, output::Sentence};

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tagged {
    pub(super) room_id: String,
    pub(super) user_id: String,
    pub(super) tag: String,
    /// The place among the rooms of that tag, from 0 to 1: the smaller the higher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) order: Option<f64>,
    /// Whether the room has it now.
    pub(super) tagged: bool,
    /// False where it was so before.
    pub(super) changed: bool,
}

/// A tag as the server knows it: those that all programs know begin with `m.`, a user's own with `u.`.
pub(super) fn named(text: &str) -> Result<String, Failure> {
    let tag = match text {
        "favourite" | "favorite" => "m.favourite".to_owned(),
        "lowpriority" | "low-priority" => "m.lowpriority".to_owned(),
        own if own.contains('.') => own.to_owned(),
        own => format!("u.{own}"),
    };
    if text.trim().is_empty()
        || tag.len() > 255
        || matches!(text, "." | "..")
        || text.contains(char::is_control)
    {
        let message = "a tag has 1 to 253 bytes and no control characters";
        return Err(Failure::request(message)
            .hinted("`favourite` and `lowpriority` are those that all programs know"));
    }
    Ok(tag)
}

impl Sentence for Tagged {
    fn sentence(&self) -> String {
        let Self { room_id, tag, tagged, changed, .. } = self;
        match (tagged, changed) {
            (true, true) => format!("{room_id} has the tag {tag}"),
            (true, false) => format!("{room_id} has the tag {tag} already"),
            (false, true) => format!("took the tag {tag} off {room_id}"),
            (false, false) => format!("{room_id} does not have the tag {tag}"),
        }
    }

    fn id(&self) -> &str {
        &self.tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_one_that_all_programs_know_or_a_users_own() {
        let tag = |text: &str| named(text).unwrap();
        assert_eq!(
            (tag("favourite"), tag("m.favourite")),
            ("m.favourite".into(), "m.favourite".into())
        );
        assert_eq!(
            (tag("work"), tag("u.work"), tag("com.x.a")),
            ("u.work".into(), "u.work".into(), "com.x.a".into())
        );
        for bad in ["", " ", "..", "a\nb", &"x".repeat(254)] {
            named(bad).unwrap_err();
        }
    }
}
