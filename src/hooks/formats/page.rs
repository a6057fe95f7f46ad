//! A message in the making: its plain text and its HTML side by side. Whatever is put on a page is
//! escaped for HTML; a page on which nothing is more than text has none.

use crate::matrix::{html, markdown};

/// Addresses that a client follows (Matrix specification, `m.room.message`, "a").
const SCHEMES: [&str; 5] = ["https://", "http://", "ftp://", "mailto:", "magnet:"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) plain: String,
    html: String,
    /// Whether the HTML says more than the plain text.
    rich: bool,
    pub(crate) notice: bool,
    /// Whether what comes next begins a line.
    is_ended: bool,
}

/// Also within an attribute.
fn escaped(text: &str) -> String {
    html::letters(text).replace('"', "&quot;")
}

/// The same with its line ends as HTML has them.
fn lines(text: &str) -> String {
    escaped(text).replace("\r\n", "\n").replace('\n', "<br>")
}

impl Page {
    /// Texts that are meant as they are.
    pub(in crate::hooks) fn of(plain: &str, html: Option<String>, notice: bool) -> Self {
        let rich = html.is_some();
        let html = html.unwrap_or_else(|| lines(plain));
        Self { plain: plain.to_owned(), html, rich, notice, is_ended: false }
    }

    /// Markdown whose author may say anything, as a message of its own.
    pub(in crate::hooks) fn of_markdown(text: &str) -> Self {
        let mut page = Self::default();
        page.markdown(text);
        page
    }

    pub(in crate::hooks) fn is_empty(&self) -> bool {
        self.plain.trim().is_empty()
    }

    /// Whether these lines stand on it, whole.
    pub(super) fn has_lines(&self, lines: &str) -> bool {
        format!("\n{}\n", self.plain).contains(&format!("\n{}\n", lines.trim()))
    }

    /// The HTML, where that says more than the plain text.
    pub(crate) fn html(&self) -> Option<&str> {
        self.rich.then_some(self.html.as_str())
    }

    pub(super) fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.begin();
        self.plain += text;
        self.html += &lines(text);
    }

    pub(super) fn bold(&mut self, text: &str) {
        self.tagged("strong", text, text);
    }

    pub(super) fn code(&mut self, text: &str) {
        self.tagged("code", text, text);
    }

    fn tagged(&mut self, tag: &str, plain: &str, text: &str) {
        if !text.is_empty() {
            self.begin();
            self.plain += plain;
            self.html += &format!("<{tag}>{}</{tag}>", lines(text));
            self.rich = true;
        }
    }

    /// A text of several lines that keeps its spaces.
    pub(super) fn block(&mut self, text: &str) {
        let text = text.trim_matches('\n');
        self.begin();
        self.plain += text;
        self.html += &format!("<pre><code>{}</code></pre>", escaped(text));
        self.rich = true;
    }

    /// What another function puts here within a tag; the plain text has the mark on both sides.
    pub(super) fn within(&mut self, tag: &str, mark: &str, inner: impl FnOnce(&mut Self)) {
        self.begin();
        self.plain += mark;
        self.html += &format!("<{tag}>");
        inner(self);
        self.html += &format!("</{tag}>");
        self.plain += mark;
        self.rich = true;
    }

    /// A link; where the address is none that a client follows, it is a text.
    pub(super) fn link(&mut self, address: &str, label: &str) {
        let (address, label) = (address.trim(), label.trim());
        if address.is_empty() {
            return self.text(label);
        }
        self.begin();
        let label = if label.is_empty() { address } else { label };
        if label == address {
            self.plain += address;
        } else {
            self.plain += &format!("{label} ({address})");
        }
        let start = address.to_ascii_lowercase();
        if SCHEMES.iter().any(|scheme| start.starts_with(scheme)) {
            self.html += &format!("<a href=\"{}\">{}</a>", escaped(address), lines(label));
            self.rich = true;
        } else if label == address {
            self.html += &lines(address);
        } else {
            self.html += &lines(&format!("{label} ({address})"));
        }
    }

    /// A link of which a reader without HTML sees the label alone: another one beside it leads there.
    pub(super) fn aside(&mut self, address: &str, label: &str) {
        self.begin();
        let plain = format!("{}{label}", self.plain);
        self.link(address, label);
        self.plain = plain;
    }

    /// A heading, with a link where there is one.
    pub(super) fn title(&mut self, title: &str, address: &str) {
        if address.is_empty() {
            self.bold(title);
        } else {
            self.within("strong", "", |page| page.link(address, title));
        }
    }

    /// Markdown of somebody else: its HTML is text, and its pictures are links.
    pub(super) fn markdown(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.begin();
        self.plain += text;
        match markdown::html_of_others(text) {
            Some(html) => {
                self.html += html.trim_end();
                self.rich = true;
            }
            None => self.html += &lines(text),
        }
    }

    /// Ends the line, if anything comes behind it.
    pub(super) fn line(&mut self) {
        self.is_ended = !self.plain.is_empty() && !self.plain.ends_with('\n');
    }

    fn begin(&mut self) {
        if std::mem::take(&mut self.is_ended) {
            self.plain.push('\n');
            // A block has a line end of its own.
            let blocks = ["</p>", "</pre>", "</ul>", "</ol>", "</blockquote>", "</table>"];
            if !blocks.iter().any(|end| self.html.ends_with(end)) {
                self.html += "<br>";
            }
        }
    }

    /// Puts another page behind this one, on a line of its own.
    pub(super) fn add(&mut self, other: &Self) {
        if !other.is_empty() {
            self.line();
            self.begin();
            self.plain += &other.plain;
            self.html += &other.html;
            self.rich |= other.rich;
        }
    }

    /// `name: value` on a line of its own.
    pub(super) fn pair(&mut self, name: &str, value: &str) {
        self.line();
        self.bold(name);
        self.text(if name.is_empty() { "" } else { ": " });
        if value.starts_with("https://") || value.starts_with("http://") {
            self.link(value, value);
        } else {
            self.text(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped_and_leads_nowhere_else() {
        let mut page = Page::default();
        page.text("a < b & \"c\"");
        assert_eq!(page.html(), None);
        page.line();
        page.bold("<script>");
        page.link("javascript:alert(1)", "<b>");
        page.link("https://x.org/\"onclick=\"", "<i>");
        assert_eq!(
            page.plain,
            "a < b & \"c\"\n<script><b> (javascript:alert(1))<i> (https://x.org/\"onclick=\")"
        );
        assert_eq!(
            page.html().unwrap(),
            "a &lt; b &amp; &quot;c&quot;<br><strong>&lt;script&gt;</strong>&lt;b&gt; (javascript:alert(1))<a href=\"https://x.org/&quot;onclick=&quot;\">&lt;i&gt;</a>"
        );
        let mut page = Page::default();
        page.markdown("**b** <img src=x> ![p](https://x.org/p.png) [a](javascript:x)");
        assert_eq!(
            page.html().unwrap(),
            "<strong>b</strong> &lt;img src=x&gt; <a href=\"https://x.org/p.png\">p</a> <a href=\"\">a</a>"
        );
    }
}
