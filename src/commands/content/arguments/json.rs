//! JSON that is given as an argument, through a pipe or in a file.

use std::{path::Path, time::Duration};

use serde_json::{Number, Value};

use super::text::stdin_text;
use crate::{error::Failure, files};

/// More than any endpoint takes as JSON, in bytes.
const LARGEST_JSON: u64 = 16 << 20;

/// A JSON that is given as an argument, through stdin with `-`, or in a file with `@FILE`. `what` names the
/// argument; a pipe that is named as a file is not waited for longer than `patience`.
pub(in crate::commands) fn given_json(
    what: &str,
    text: &str,
    patience: Duration,
) -> Result<Value, Failure> {
    match (text, text.strip_prefix('@')) {
        ("-", _) => read_json(what, &stdin_text("the body", LARGEST_JSON)?),
        (_, Some(file)) => read_json(what, &files::read_input(Path::new(file), patience)?),
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
pub(in crate::commands::content) fn content(
    text: &str,
    patience: Duration,
) -> Result<Value, Failure> {
    let content = given_json("the content", text, patience)?;
    if !content.is_object() {
        return Err(Failure::request("the content is no JSON object").hinted(
            "write it as `{\"key\": \"value\"}`, or `@FILE` with the name of a file that has it",
        ));
    }
    match forbidden(&content) {
        None => Ok(content),
        Some(number) => Err(Failure::request(format!(
            "the content has the number {number}: events have whole ones up to 9007199254740991"
        ))
        .hinted(format!("write it as a text: \"{number}\""))),
    }
}

/// A number that no event may have (specification, "Canonical JSON").
fn forbidden(value: &Value) -> Option<&Number> {
    const LARGEST: i64 = (1 << 53) - 1;
    match value {
        Value::Number(number) => {
            let fits = number.as_i64().is_some_and(|it| (-LARGEST..=LARGEST).contains(&it));
            (!fits).then_some(number)
        }
        Value::Array(values) => values.iter().find_map(forbidden),
        Value::Object(map) => map.values().find_map(forbidden),
        _ => None,
    }
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
        let content = |text: &str| content(text, files::PATIENCE);
        assert_eq!(content(r#"{"a":1}"#).unwrap()["a"], 1);
        for wrong in ["[1]", "1", "{", ""] {
            assert!(content(wrong).is_err(), "{wrong}");
        }
        for wrong in ["1.5", "1.0", "9007199254740992", "-9007199254740992", "1e3"] {
            let said = content(&format!(r#"{{"a":[{{"b":{wrong}}}]}}"#)).unwrap_err();
            assert!(said.to_string().starts_with("the content has the number "), "{said}");
        }
        content(r#"{"a":[-9007199254740991, 9007199254740991]}"#).unwrap();
        event_type("m.room.message").unwrap();
        for wrong in ["", ".", "..", "a b", "a\n"] {
            assert!(event_type(wrong).is_err(), "{wrong}");
        }
    }
}
