//! What others wrote does not steer the terminal that shows it: neither letters that are commands to it,
//! nor those that turn the direction of what follows (`U+202E` has `exe.gpj` read as `jpg.exe`).

use std::{borrow::Cow, fmt};

use serde::Serialize;

fn steers(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn replaced(
    text: &str,
    stays: impl Fn(char) -> bool,
    blank: impl Fn(char) -> bool,
) -> Cow<'_, str> {
    let is_bad = |letter: char| steers(letter) && !stays(letter);
    // Most texts have none, and a list may be long.
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let shown = |letter: char| match letter {
        letter if !is_bad(letter) => letter,
        letter if blank(letter) => ' ',
        _ => '\u{fffd}',
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// A text of several lines.
pub(crate) fn page(text: &str) -> Cow<'_, str> {
    replaced(text, |letter| matches!(letter, '\n' | '\t'), |_| false)
}

/// A text on one line.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    replaced(text, |_| false, |letter| matches!(letter, '\n' | '\r' | '\t'))
}

/// A document for people, in which such letters are written as JSON can.
pub(crate) fn document(page: &mut String, value: &impl Serialize) -> fmt::Result {
    let text = serde_json::to_string_pretty(value).map_err(|_| fmt::Error)?;
    for letter in text.chars() {
        if steers(letter) && letter != '\n' {
            page.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            page.push(letter);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_steers_no_terminal() {
        let bad = "a\u{1b}[2J\r\n\tb\u{9b}\u{202e}c\u{2066}\u{7f}";
        assert_eq!(one_line(bad), "a\u{fffd}[2J   b\u{fffd}\u{fffd}c\u{fffd}\u{fffd}");
        assert_eq!(page(bad), "a\u{fffd}[2J\u{fffd}\n\tb\u{fffd}\u{fffd}c\u{fffd}\u{fffd}");
        for good in ["", "Grüße 👩‍👩‍👧", "שלום\u{200f}"] {
            assert!(matches!(one_line(good), Cow::Borrowed(same) if same == good));
        }
    }

    #[test]
    fn a_document_for_people_stays_true() {
        let value = serde_json::json!({ "name": "a\u{1b}\u{9b}\u{202e}\nb" });
        let mut page = String::new();
        document(&mut page, &value).unwrap();
        assert_eq!(page, "{\n  \"name\": \"a\\u001b\\u009b\\u202e\\nb\"\n}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&page).unwrap(), value);
    }
}
