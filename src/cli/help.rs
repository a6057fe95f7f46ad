//! What the program says of itself: help, the version, and what was wrong with a line that was typed.

use std::{ffi::OsString, fmt};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde::Serialize;

use crate::{
    commands::{NAME, typed},
    error::Failure,
    output::Report,
};

/// The help of a command: for people as it is, for machines as the one text of a document.
#[derive(Serialize)]
pub(super) struct Page {
    help: String,
    #[serde(skip)]
    coloured: String,
}

impl Page {
    pub(super) fn of(error: &clap::Error) -> Self {
        let text = error.render();
        Self { help: text.to_string(), coloured: text.ansi().to_string() }
    }
}

impl Report for Page {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.push_str(&self.coloured);
        Ok(())
    }

    fn is_painted(&self) -> bool {
        true
    }
}

#[derive(Serialize)]
pub(super) struct Version {
    name: &'static str,
    version: &'static str,
}

impl Version {
    pub(super) const OURS: Self = Self { name: NAME, version: env!("CARGO_PKG_VERSION") };
}

impl Report for Version {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.push_str(&[self.name, " ", self.version].concat());
        Ok(())
    }
}

/// clap's sentence, and what to type instead in one line.
pub(super) fn usage_error(argv: &[OsString], error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let message = text.trim_start_matches("error: ").trim_end();
    let sentence = message.split_once("\n\n").map_or(message, |(first, _)| first);
    let mut hints: Vec<String> = meant(error).into_iter().collect();
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested) {
        // What clap says of a value that begins with a hyphen is wrong for the value of a flag, and it
        // has only the first letters of a text.
        let tips = tips.iter().map(ToString::to_string);
        hints.extend(tips.filter(|tip| !tip.starts_with("to pass ")));
        hints.extend(as_value(argv, error));
    }
    let command = typed::path(argv);
    hints.extend(usage(error).map(|usage| format!("it is `{usage}`")));
    hints.push(match command {
        Some(command) if error.kind() != ErrorKind::InvalidSubcommand => {
            format!("`{command} --help` explains it")
        }
        Some(group) => format!("`help {group}` lists the commands"),
        None => "`help` lists the commands".to_owned(),
    });
    Failure::request(in_our_words(sentence.trim())).hinted(hints.join("; ").replace("?; ", "? "))
}

/// What a library says of a number, as a person would.
fn in_our_words(sentence: &str) -> String {
    const WORDS: [(&str, &str); 4] = [
        ("invalid digit found in string", "it is not a whole number"),
        ("cannot parse integer from empty string", "it is empty"),
        ("number too large to fit in target type", "it is too large"),
        ("number too small to fit in target type", "it is too small"),
    ];
    let sentence =
        WORDS.iter().fold(sentence.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
    // `-1 is not in 1..=600`
    let range = sentence.rsplit_once(": ").and_then(|(before, said)| {
        let (least, most) = said.split_once(" is not in ")?.1.split_once("..")?;
        let most = most.trim_start_matches('=');
        let is_limit = most.is_empty() || most.len() > 9;
        let bound =
            if is_limit { format!("at least {least}") } else { format!("from {least} to {most}") };
        Some(format!("{before}: it must be {bound}"))
    });
    range.unwrap_or(sentence)
}

/// How a word that begins with a hyphen is given as a value: to the flag before it, or by itself.
fn as_value(argv: &[OsString], error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(letters)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if OF_LISTS.contains(&letters.as_str()) {
        return None;
    }
    let place = argv
        .iter()
        .position(|word| word.to_str().is_some_and(|word| word.starts_with(letters.as_str())))?;
    let word = argv[place].to_str()?;
    let quoted = |word: &str| shlex::try_quote(word).map_or_else(|_| word.to_owned(), Into::into);
    let before = argv[..place].last().and_then(|word| word.to_str());
    Some(match before.filter(|flag| flag.starts_with("--") && !flag.contains('=')) {
        Some(flag) => format!("`{flag}={}` gives it to `{flag}`", quoted(word)),
        None => format!("after `--` it is no flag: `-- {}`", quoted(word)),
    })
}

/// Flags that every list has, and nothing else.
const OF_LISTS: [&str; 3] = ["--fields", "--sort", "--limit"];

/// What was probably meant; nobody is led to what is hidden.
fn meant(error: &clap::Error) -> Option<String> {
    if let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
        && error.kind() == ErrorKind::UnknownArgument
        && OF_LISTS.contains(&flag.as_str())
    {
        return Some(format!("`{flag}` is for lists; `--format json` has all there is to say"));
    }
    let kinds =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let mut words: Vec<String> = kinds
        .into_iter()
        .filter_map(|kind| error.get(kind))
        .flat_map(|found| match found {
            ContextValue::String(word) => vec![word.clone()],
            ContextValue::Strings(words) => words.clone(),
            _ => Vec::new(),
        })
        .filter(|word| !typed::is_hidden(word))
        .collect();
    let kinds =
        [ContextKind::InvalidSubcommand, ContextKind::InvalidArg, ContextKind::InvalidValue];
    let typed = kinds.into_iter().find_map(|kind| error.get(kind));
    let typed = typed.map(ToString::to_string).unwrap_or_default();
    // clap has likenesses that a letter left out early spoils in words that end alike.
    words.sort_by_key(|word| strsim::damerau_levenshtein(&typed, word));
    words.truncate(3);
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    (!words.is_empty()).then(|| format!("did you mean {}?", words.join(" or ")))
}

/// The shape of the command, where arguments are missing or too many.
fn usage(error: &clap::Error) -> Option<String> {
    let is_word =
        |word: Option<&ContextValue>| word.is_some_and(|word| !word.to_string().starts_with('-'));
    let of_shape = match error.kind() {
        ErrorKind::MissingRequiredArgument => true,
        ErrorKind::UnknownArgument => is_word(error.get(ContextKind::InvalidArg)),
        _ => false,
    };
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return None };
    let usage = usage.to_string();
    let shape = usage.trim().strip_prefix("Usage: ")?.strip_prefix(NAME)?.trim();
    of_shape.then(|| shape.replace("[OPTIONS] ", "").replace(" [OPTIONS]", ""))
}
