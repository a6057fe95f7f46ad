//! Messages as lines of JSON, each with a room of its own where it names one.

use std::{io::BufRead as _, path::Path, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use crate::{error::Failure, files, matrix::message::Markup};

/// A line of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) struct Letter {
    /// Where it goes, if not into the room of the command line.
    pub(super) room: Option<String>,
    pub(super) text: String,
    #[serde(default)]
    pub(super) html: bool,
    #[serde(default)]
    pub(super) markdown: bool,
    #[serde(default)]
    pub(super) notice: bool,
    pub(super) reply_to: Option<String>,
    pub(super) thread: Option<String>,
    #[serde(default)]
    pub(super) mention: Vec<String>,
    #[serde(default)]
    pub(super) mention_room: bool,
    pub(super) transaction_id: Option<String>,
}

impl Letter {
    pub(super) fn markup(&self) -> Markup {
        match (self.html, self.markdown) {
            (true, _) => Markup::Html,
            (_, true) => Markup::Markdown,
            _ => Markup::Plain,
        }
    }
}

/// All of a file, or of stdin where it is `-`, with the numbers of their lines; the first that is none is
/// an error.
pub(super) fn letters(path: &Path, patience: Duration) -> Result<Vec<(usize, Letter)>, Failure> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        for line in std::io::stdin().lock().lines() {
            let line = line
                .map_err(|error| Failure::environment(format!("stdin cannot be read: {error}")))?;
            text.push_str(&line);
            text.push('\n');
        }
        text
    } else {
        files::read_input(path, patience)?
    };
    let shown = if path.as_os_str() == "-" { "stdin".into() } else { path.display().to_string() };
    let mut letters = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.trim().is_empty() {
            letters.push((number, letter(line, number, &shown)?));
        }
    }
    if letters.is_empty() {
        return Err(Failure::request(format!("`{shown}` has no line"))
            .hinted("each line is an object such as {\"room\": \"#ops\", \"text\": \"hello\"}"));
    }
    Ok(letters)
}

fn letter(line: &str, number: usize, shown: &str) -> Result<Letter, Failure> {
    let no = |why: String| {
        Failure::request(format!("line {number} of `{shown}`: {why}"))
            .hinted("nothing was sent; a line is such as {\"room\": \"#ops\", \"text\": \"hello\"}")
    };
    let why = |error: serde_json::Error| {
        let error = error.to_string();
        no(error.split(" at line ").next().unwrap_or_default().to_owned())
    };
    let object: Value = serde_json::from_str(line).map_err(why)?;
    if !object.is_object() {
        return Err(no("it is no object".to_owned()));
    }
    let letter: Letter = serde_json::from_value(object).map_err(why)?;
    if letter.text.trim().is_empty() {
        return Err(no("its text is empty".into()));
    }
    if letter.text.contains('\0') {
        return Err(no("its text contains a NUL byte".into()));
    }
    if letter.html && letter.markdown {
        return Err(no("it is HTML or Markdown, and not both".into()));
    }
    Ok(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_and_what_is_none_is_named_by_its_number() {
        let good = letter(r##"{"room": "#a", "text": "hi", "notice": true}"##, 1, "f").unwrap();
        assert_eq!(
            (good.room.as_deref(), good.text.as_str(), good.notice),
            (Some("#a"), "hi", true)
        );
        for (line, why) in [
            ("hello", "line 7 of `f`: expected value"),
            (r#"["!a", "b"]"#, "line 7 of `f`: it is no object"),
            (r#"{"room": "!a"}"#, "line 7 of `f`: missing field `text`"),
            (r#"{"text": "a", "roum": "b"}"#, "line 7 of `f`: unknown field `roum`"),
            (r#"{"text": " "}"#, "line 7 of `f`: its text is empty"),
            (r#"{"text": "a", "html": true, "markdown": true}"#, "line 7 of `f`: it is HTML or"),
        ] {
            let said = letter(line, 7, "f").unwrap_err().to_string();
            assert!(said.starts_with(why), "{said}");
        }
    }
}
