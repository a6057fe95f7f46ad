//! JSON that is given as an argument, through a pipe or in a file.

use std::path::Path;

use serde_json::Value;

use super::text::stdin_text;
use crate::{error::Failure, files};

/// What was given: the text itself, `-` for stdin, or `@FILE`; `what` is how it is called, `largest` how many bytes
/// are read from stdin.
pub(in crate::commands::content) fn read(
    text: &str,
    what: &str,
    largest: u64,
) -> Result<String, Failure> {
    match text.strip_prefix('@') {
        _ if text == "-" => stdin_text(what, largest),
        Some(file) => Ok(files::read_input(Path::new(file))?),
        None => Ok(text.to_owned()),
    }
}

/// The content of an event, which is an object.
pub(in crate::commands::content) fn content(text: &str) -> Result<Value, Failure> {
    /// More than an event has, in bytes.
    const LARGEST: u64 = 1 << 20;
    let text = read(text, "the content", LARGEST)?;
    let content: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::request(format!("the content is not JSON: {error}")))?;
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
