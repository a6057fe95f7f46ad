//! Texts that are given as an argument or through a pipe.

use std::io::Read as _;

use crate::{
    error::Failure,
    files,
    matrix::message::{self, Markup},
    output,
};

// How a text is meant. No doc comments on the structs here: clap would show them as the help of each
// command.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct MarkupArg {
    /// The text is HTML
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) html: bool,
    /// The text is Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
}

impl MarkupArg {
    /// What was typed.
    pub(crate) fn given(self) -> Option<Markup> {
        match (self.html, self.markdown) {
            (true, _) => Some(Markup::Html),
            (_, true) => Some(Markup::Markdown),
            _ => None,
        }
    }
}

/// The text of a message: the argument, or stdin where it is `-` or missing. It is valid UTF-8
/// without NUL and fits into an event.
pub(in crate::commands) fn message_text(argument: Option<String>) -> Result<String, Failure> {
    let text = match argument {
        Some(text) if text != "-" => text,
        None if output::stdin_is_terminal() => {
            return Err(
                Failure::request("there is no text").hinted("give it as TEXT or through a pipe")
            );
        }
        _ => stdin_text("the message", message::LARGEST as u64)?,
    };
    if text.contains('\0') {
        return Err(Failure::request("the message contains a NUL byte")
            .hinted("send it as a file with `content send-media`"));
    }
    if text.len() > message::LARGEST {
        return Err(too_large());
    }
    if text.trim().is_empty() {
        let how = if text.is_empty() { "empty" } else { "blank" };
        return Err(Failure::request(format!("the message is {how}"))
            .hinted("give it as TEXT or through a pipe"));
    }
    Ok(text)
}

fn too_large() -> Failure {
    let largest = message::LARGEST;
    Failure::request(format!(
        "the message is too large: {largest} bytes are allowed (an event has 65,536, and the server adds its own part)"
    ))
    .hinted("split the text, or send it as a file with `content send-media`")
}

/// All of stdin but one line end, at most `largest` bytes.
pub(in crate::commands) fn stdin_text(what: &str, largest: u64) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(largest + 2)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::environment(format!("stdin cannot be read: {error}")))?;
    if bytes.pop_if(|byte| *byte == b'\n').is_some() {
        bytes.pop_if(|byte| *byte == b'\r');
    }
    if bytes.len() as u64 > largest {
        return Err(if what == "the message" {
            too_large()
        } else {
            Failure::request(format!("{what} on stdin is longer than {largest} bytes"))
        });
    }
    String::from_utf8(bytes)
        .map(files::without_mark)
        .map_err(|_| Failure::request(format!("{what} on stdin is not valid UTF-8")))
}
