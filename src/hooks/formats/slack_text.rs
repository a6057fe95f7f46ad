//! Slack's own markup ([docs]): `<address|label>`, `*bold*`, and three escapes.
//!
//! [docs]: https://docs.slack.dev/messaging/formatting-message-text

use super::page::Page;

/// How far the end of a bold text may be, that of a link, and that of a block: who never ends what they
/// begin, over and over, does not keep us busy.
const NEAREST: usize = 1024;
const NEAR: usize = 4096;
const FAR: usize = 32_768;

fn near(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Whether a text is written for Slack: it has a link, or one of the escapes.
pub(super) fn is_marked(text: &str) -> bool {
    ["&amp;", "&lt;", "&gt;"].iter().any(|escape| text.contains(escape))
        || text.match_indices('<').any(|(at, _)| {
            let inner = near(&text[at + 1..], NEAR).split_once('>').map(|(inner, _)| inner);
            inner.is_some_and(|inner| {
                ["http://", "https://", "mailto:", "!", "@U", "@W", "#C"]
                    .iter()
                    .any(|start| inner.starts_with(start))
                    && !inner.contains(['\n', '<', '"'])
                    && !inner.starts_with("!-")
                    && !inner.starts_with("!DOCTYPE")
            })
        })
}

/// The letters that three escapes stand for.
fn decoded(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// A text with links and marks as plain text.
pub(super) fn plain(text: &str) -> String {
    let mut page = Page::default();
    put(&mut page, text, false);
    page.plain
}

/// Puts a text on the page; `styled`: with its asterisks and the like.
pub(super) fn put(page: &mut Page, text: &str, styled: bool) {
    let (mut rest, mut plain, mut before) = (text, String::new(), None);
    let flush = |page: &mut Page, plain: &mut String| {
        page.text(&decoded(plain));
        plain.clear();
    };
    while let Some(letter) = rest.chars().next() {
        let found = match letter {
            '<' => enclosed(&rest[1..], ">", NEAR).filter(|(inner, _)| !inner.contains('\n')),
            '`' if styled && rest.starts_with("```") => enclosed(&rest[3..], "```", FAR),
            '`' if styled => {
                enclosed(&rest[1..], "`", NEAR).filter(|(inner, _)| !inner.contains('\n'))
            }
            '*' | '_' | '~' if styled => between(rest, letter, before),
            _ => None,
        };
        let Some((inner, after)) = found else {
            plain.push(letter);
            before = Some(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        flush(page, &mut plain);
        match letter {
            '<' => reference(page, inner),
            '`' if rest.starts_with("```") => page.block(&decoded(inner)),
            '`' => page.code(&decoded(inner)),
            '*' => page.within("strong", "*", |page| put(page, inner, styled)),
            '_' => page.within("em", "_", |page| put(page, inner, styled)),
            _ => page.within("del", "~", |page| put(page, inner, styled)),
        }
        before = Some(letter);
        rest = after;
    }
    flush(page, &mut plain);
}

/// What stands before the end, and what behind it.
fn enclosed<'a>(text: &'a str, end: &str, most: usize) -> Option<(&'a str, &'a str)> {
    let at = near(text, most).find(end)?;
    let inner = &text[..at];
    (!inner.trim().is_empty()).then(|| (inner, &text[at + end.len()..]))
}

/// What stands between two marks of one line that stand at the edges of words.
fn between(text: &str, mark: char, before: Option<char>) -> Option<(&str, &str)> {
    if before.is_some_and(|before| before.is_alphanumeric() || before == mark) {
        return None;
    }
    let text = &text[1..];
    if text.starts_with(|first: char| first.is_whitespace() || first == mark) {
        return None;
    }
    let line = near(text, NEAREST).split('\n').next().unwrap_or_default();
    let end = line.match_indices(mark).map(|(at, _)| at).find(|&at| {
        let behind = text[at + 1..].chars().next();
        !line[..at].ends_with(char::is_whitespace) && !behind.is_some_and(char::is_alphanumeric)
    })?;
    (end > 0).then(|| (&text[..end], &text[end + 1..]))
}

/// What stands in angle brackets: a link, or somebody or something of Slack's.
fn reference(page: &mut Page, inner: &str) {
    let (what, label) = inner.split_once('|').unwrap_or((inner, ""));
    let (what, label) = (decoded(what), decoded(label));
    if let Some(name) = what.strip_prefix(['@', '#']) {
        let name = if label.is_empty() { name } else { label.trim_start_matches(['@', '#']) };
        page.text(&format!("{}{name}", &what[..1]));
    } else if let Some(word) = what.strip_prefix('!') {
        let dated = word.starts_with("date^");
        let word = word.split('^').next().unwrap_or_default();
        match (label.is_empty(), dated) {
            (false, _) => page.text(&label),
            (true, true) => page.text(&what[1..]),
            (true, false) => page.text(&format!("@{word}")),
        }
    } else if what.contains(':') {
        page.link(
            &what,
            if label.is_empty() { what.trim_start_matches("mailto:") } else { &label },
        );
    } else {
        page.text(&format!("<{}>", decoded(inner)));
    }
}
