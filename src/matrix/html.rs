//! HTML as a person would read it without a browser, and whom it names.

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use ruma::{MatrixToUri, MatrixUri, OwnedUserId, matrix_uri::MatrixId};

/// The text of HTML: a block and a line break begin a line, an item has its mark, a picture its
/// description and a link its address; what is not shown is not there.
pub(crate) fn plain(html: &str) -> String {
    let mut page = Page { at_start: true, ..Page::default() };
    for token in tokens(html) {
        match token {
            Token::StartTag(tag) => page.start(&tag),
            Token::EndTag(tag) => page.end(&tag.name),
            Token::String(text) => page.text(&lossy(&text.value)),
            _ => {}
        }
    }
    page.text.trim_matches(['\n', ' ']).to_owned()
}

/// Whether these letters mean themselves: no tag, no entity.
pub(crate) fn is_bare(text: &str) -> bool {
    let mut letters = String::new();
    for token in tokens(text) {
        match token {
            Token::String(part) => letters.push_str(&lossy(&part.value)),
            Token::Error(_) => {}
            _ => return false,
        }
    }
    letters == text
}

/// Letters as HTML that shows just these, on lines of their own.
pub(crate) fn escaped(text: &str) -> String {
    letters(text).replace('\n', "<br />")
}

/// What means something in the text of HTML, as it is shown.
pub(crate) fn letters(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The users that HTML has links to, which clients show as pills.
pub(crate) fn people(html: &str) -> Vec<OwnedUserId> {
    let user = |token| match token {
        Token::StartTag(tag) if tag.name.as_slice() == b"a" => named(&attribute(&tag, b"href")?),
        _ => None,
    };
    tokens(html).filter_map(user).collect()
}

/// The user that an address means.
fn named(address: &str) -> Option<OwnedUserId> {
    let id = match MatrixToUri::parse(address) {
        Ok(uri) => uri.id().clone(),
        Err(_) => MatrixUri::parse(address).ok()?.id().clone(),
    };
    if let MatrixId::User(user) = id { Some(user) } else { None }
}

fn tokens(html: &str) -> impl Iterator<Item = Token> {
    let mut emitter = DefaultEmitter::default();
    // What is in a script or style is no markup.
    emitter.naively_switch_states(true);
    let tokens = Tokenizer::new_with_emitter(html, emitter);
    tokens.map_while(Result::ok)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    let (_, value) = tag.attributes.iter().find(|(key, _)| ***key == *name)?;
    Some(lossy(&value.value))
}

#[derive(Default)]
struct Page {
    text: String,
    /// Nothing is on this line yet.
    at_start: bool,
    /// A space is due if more comes on this line.
    gap: bool,
    /// What the next line begins with.
    mark: Option<String>,
    /// The numbers that come next in the lists around; none where they have none.
    lists: Vec<Option<u64>>,
    /// The links around: where they lead, and what they show.
    links: Vec<(String, String)>,
    quotes: usize,
    /// As it was written, with its spaces.
    kept: usize,
    hidden: usize,
    cells: usize,
}

impl Page {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = tag.name.as_slice();
        if is_hidden(name) {
            // One that ends itself has nothing in it.
            self.hidden += usize::from(!tag.self_closing);
        }
        if self.hidden > 0 {
            return;
        }
        if is_block(name) {
            self.line();
        }
        match name {
            b"br" => self.end_line(),
            b"hr" => {
                self.put("---");
                self.end_line();
            }
            b"ul" | b"menu" => self.lists.push(None),
            b"ol" => {
                let first = attribute(tag, b"start").and_then(|first| first.trim().parse().ok());
                self.lists.push(Some(first.unwrap_or(1)));
            }
            b"li" => {
                self.mark = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number += 1;
                        mark
                    }
                    _ => "- ".to_owned(),
                });
            }
            b"blockquote" => self.quotes += 1,
            b"pre" | b"textarea" => self.kept += 1,
            b"tr" => self.cells = 0,
            b"td" | b"th" => {
                if self.cells > 0 {
                    self.text(" | ");
                }
                self.cells += 1;
            }
            b"img" => {
                let said = attribute(tag, b"alt").or_else(|| attribute(tag, b"title"));
                self.text(&said.unwrap_or_default());
            }
            b"a" => {
                let address = attribute(tag, b"href").unwrap_or_default();
                self.links.push((address, String::new()));
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        if is_hidden(name) {
            self.hidden = self.hidden.saturating_sub(1);
            return;
        }
        if self.hidden > 0 {
            return;
        }
        if is_block(name) {
            self.line();
        }
        match name {
            b"ul" | b"menu" | b"ol" => drop(self.lists.pop()),
            b"li" => self.mark = None,
            b"blockquote" => self.quotes = self.quotes.saturating_sub(1),
            b"pre" | b"textarea" => self.kept = self.kept.saturating_sub(1),
            b"a" => self.link(),
            _ => {}
        }
    }

    /// The address after a link, where what it shows does not say it.
    fn link(&mut self) {
        let Some((address, shown)) = self.links.pop() else { return };
        let shown = shown.trim();
        let says = address.trim_end_matches('/').ends_with(shown.trim_end_matches('/'));
        if shown.is_empty() {
            self.text(&address);
        } else if address.contains(':') && !says && named(&address).is_none() {
            self.text(&format!(" ({address})"));
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden > 0 {
            return;
        }
        for letter in text.chars() {
            match letter {
                '\n' if self.kept > 0 => self.end_line(),
                letter if self.kept == 0 && letter.is_ascii_whitespace() => {
                    self.gap = !self.at_start;
                }
                letter => {
                    if std::mem::take(&mut self.gap) {
                        self.put(" ");
                    }
                    self.put(letter.encode_utf8(&mut [0; 4]));
                }
            }
        }
    }

    fn put(&mut self, letters: &str) {
        if std::mem::take(&mut self.at_start) {
            self.text.push_str(&"> ".repeat(self.quotes));
            let mark = self.mark.take();
            let inner = self.lists.len().saturating_sub(usize::from(mark.is_some()));
            self.text.push_str(&"  ".repeat(inner));
            self.text.push_str(&mark.unwrap_or_default());
        }
        self.text.push_str(letters);
        if let Some((_, shown)) = self.links.last_mut() {
            shown.push_str(letters);
        }
    }

    /// Goes to a new line, unless this one is.
    fn line(&mut self) {
        if !self.at_start {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        self.text.push('\n');
        (self.at_start, self.gap) = (true, false);
    }
}

/// The last is what old clients quote with an answer, which is in the message that is answered.
fn is_hidden(name: &[u8]) -> bool {
    matches!(name, b"script" | b"style" | b"head" | b"title" | b"template" | b"mx-reply")
}

#[rustfmt::skip]
fn is_block(name: &[u8]) -> bool {
    matches!(
        name,
        b"address" | b"article" | b"aside" | b"blockquote" | b"caption" | b"dd" | b"details"
        | b"div" | b"dl" | b"dt" | b"fieldset" | b"figcaption" | b"figure" | b"footer" | b"form"
        | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"header" | b"hr" | b"li" | b"main"
        | b"menu" | b"nav" | b"ol" | b"p" | b"pre" | b"section" | b"summary" | b"table"
        | b"tr" | b"ul"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_reads_as_a_person_would_read_it() {
        for (html, wanted) in [
            ("<p>Disk full</p><p>on node 3</p>", "Disk full\non node 3"),
            ("a<br>b<br/>c", "a\nb\nc"),
            ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
            ("<ol start=3><li>one<li>two<ul><li>in</ul></ol>end", "3. one\n4. two\n  - in\nend"),
            ("caf&eacute; &#128512; &lt;b&gt; &amp;amp;", "caf\u{e9} \u{1f600} <b> &amp;"),
            ("<img src=x alt=\"a > b\"> and <img title=t>", "a > b and t"),
            ("<a href=\"https://x.org/?a=1&amp;b\">job 42</a>!", "job 42 (https://x.org/?a=1&b)!"),
            (
                "<a href=\"https://x.org/\">x.org</a> <a href='mailto:a@x.org'>a@x.org</a>",
                "x.org a@x.org",
            ),
            ("<a href=\"https://matrix.to/#/@a:x.org\">Alice</a>: hi", "Alice: hi"),
            ("<script>if (a < b) { x() }</script><style>p{}</style>seen", "seen"),
            ("<!-- no --><b>a</b>\n\n  <i>b</i>  c", "a b c"),
            ("<pre><code>a\n  b\n</code></pre>c", "a\n  b\nc"),
            ("<blockquote><p>a</p>b</blockquote>c", "> a\n> b\nc"),
            (
                "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
                "a | b\n1 | 2",
            ),
            ("<h1>Title</h1>text<hr>end", "Title\ntext\n---\nend"),
            ("<mx-reply><blockquote>old</blockquote></mx-reply>new", "new"),
            ("1 < 2 & 3 > 2", "1 < 2 & 3 > 2"),
            ("<P>UPPER</P>", "UPPER"),
            ("a<script", "a"),
        ] {
            assert_eq!(plain(html), wanted, "{html}");
        }
    }

    #[test]
    fn only_letters_that_mean_themselves_are_bare() {
        for (text, bare) in [("a < b & c", true), ("<b>a</b>", false), ("&amp;", false)] {
            assert_eq!(is_bare(text), bare, "{text}");
        }
        assert_eq!(plain(&escaped("a < b\n&amp;")), "a < b\n&amp;");
    }

    #[test]
    fn a_link_to_a_user_names_them() {
        let html = "<a href=\"https://matrix.to/#/%40a:x.org\">A</a> <a href='matrix:u/b:x.org'>B</a> \
                    <a href=\"https://matrix.to/#/#room:x.org\">R</a> @c:x.org <a>none</a>";
        assert_eq!(people(html), ["@a:x.org", "@b:x.org"]);
    }
}
