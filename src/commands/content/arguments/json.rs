//! JSON that is given as an argument, through a pipe or in a file.

use std::path::Path;

use serde_json::Value;

use super::text::stdin_text;
use crate::{error::Failure, files};

/// More than any endpoint takes as JSON, in bytes.
const LARGEST_JSON: u64 = 16 << 20;

/// A JSON that is given as an argument, through stdin with `-`, or in a file with `@FILE`. `what` names the
/// argument.
pub(in crate::commands) fn given_json(what: &str, text: &str) -> Result<Value, Failure> {
    match (text, text.strip_prefix('@')) {
        ("-", _) => read_json(what, &stdin_text("the body", LARGEST_JSON)?),
        (_, Some(file)) => read_json(what, &files::read_input(Path::new(file))?),
        (text, None) => read_json(what, text),
    }
}

/// The same of what comes through a pipe, if something does.
pub(in crate::commands) fn piped_json(what: &str) -> Result<Option<Value>, Failure> {
    let text = stdin_text("the body", LARGEST_JSON)?;
    (!text.trim().is_empty()).then(|| read_json(what, &text)).transpose()
}

fn read_json(what: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        // An option as it is typed.
        let what = if what.starts_with("--") { format!("`{what}`") } else { what.to_owned() };
        Failure::request(format!("{what} is not JSON: {error}")).hinted(
            "write it as `{\"key\": \"value\"}`, as `@FILE` with the name of a file, or as `-` for stdin",
        )
    })
}

/// The content of an event, which is an object.
pub(in crate::commands::content) fn content(text: &str) -> Result<Value, Failure> {
    let content = given_json("the content", text)?;
    if content.is_object() {
        return Ok(content);
    }
    Err(Failure::request("the content is no JSON object").hinted(
        "write it as `{\"key\": \"value\"}`, or `@FILE` with the name of a file that has it",
    ))
}

/// The type of an event, which the server takes in an address.
pub(in crate::commands::content) fn event_type(text: &str) -> Result<&str, Failure> {
    let is_plain = text.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if is_plain && !matches!(text, "" | "." | "..") && text.len() <= 255 {
        return Ok(text);
    }
    let text = text.escape_debug();
    Err(Failure::request(format!("`{text}` is no type of an event")).hinted(
        "a type is a word of at most 255 bytes, such as `m.room.message` or `org.example.build`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_an_object_and_a_type_a_word() {
        assert_eq!(content(r#"{"a":1}"#).unwrap()["a"], 1);
        for wrong in ["[1]", "1", "{", ""] {
            assert!(content(wrong).is_err(), "{wrong}");
        }
        event_type("m.room.message").unwrap();
        for wrong in ["", ".", "..", "a b", "a\n"] {
            assert!(event_type(wrong).is_err(), "{wrong}");
        }
    }
}
