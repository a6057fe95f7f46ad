//! Markdown (`CommonMark` with tables and struck text) as the HTML of a message.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH);

/// The HTML of a text; nothing where it would say no more than the text itself. A single paragraph stands
/// without its tag, as the specification has it ([spec]), and each line break is one.
///
/// [spec]: https://spec.matrix.org/latest/client-server-api/#mroommessage-msgtypes
pub(crate) fn html(text: &str) -> Option<String> {
    page(text, |event| event)
}

/// The same for a text that somebody else wrote: HTML in it is text, a picture is a link to it (clients
/// show none from elsewhere), and a link leads only where a client goes.
pub(crate) fn html_of_others(text: &str) -> Option<String> {
    page(text, |event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::Start(
            Tag::Image { dest_url, title, id, link_type }
            | Tag::Link { dest_url, title, id, link_type },
        ) => {
            let start = dest_url.to_ascii_lowercase();
            let good = ["https://", "http://", "mailto:"].iter().any(|it| start.starts_with(it));
            let dest_url = if good { dest_url } else { "".into() };
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        event => event,
    })
}

fn page(text: &str, each: impl Fn(Event<'_>) -> Event<'_>) -> Option<String> {
    let whole = |event| if event == Event::SoftBreak { Event::HardBreak } else { event };
    let events: Vec<Event<'_>> =
        Parser::new_ext(text, OPTIONS).map(|event| each(whole(event))).collect();
    let inner = match &events[..] {
        [Event::Start(Tag::Paragraph), inner @ .., Event::End(TagEnd::Paragraph)]
            if !inner.contains(&Event::End(TagEnd::Paragraph)) =>
        {
            Some(inner)
        }
        _ => None,
    };
    if inner.is_some_and(|inner| is_as_written(inner, text)) {
        return None;
    }
    let mut page = String::new();
    match inner {
        Some(inner) => html::push_html(&mut page, inner.iter().cloned()),
        None => html::push_html(&mut page, events.into_iter()),
    }
    Some(page)
}

/// Whether these are the very letters of the text, and nothing else.
fn is_as_written(events: &[Event<'_>], text: &str) -> bool {
    let mut letters = String::new();
    for event in events {
        match event {
            Event::Text(part) => letters.push_str(part),
            Event::HardBreak => letters.push('\n'),
            _ => return false,
        }
    }
    letters.lines().eq(text.lines())
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn a_text_without_markdown_stays_a_text() {
        for text in ["", "Hello world.", "a < b & c", "one\ntwo", "one\r\ntwo\n", "5 * 3"] {
            assert_eq!(html(text).filter(|html| !html.is_empty()), None, "{text}");
        }
    }

    #[test]
    fn markdown_is_html_and_one_paragraph_has_no_tag() {
        for (text, page) in [
            ("**b** and `c`", "<strong>b</strong> and <code>c</code>"),
            ("~~gone~~", "<del>gone</del>"),
            ("**a**\nb", "<strong>a</strong><br />\nb"),
            ("\\*no\\*", "*no*"),
            ("one\n\ntwo", "<p>one</p>\n<p>two</p>\n"),
            ("# h", "<h1>h</h1>\n"),
            ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
            ("[x](https://x.org/)", "<a href=\"https://x.org/\">x</a>"),
        ] {
            assert_eq!(html(text).as_deref(), Some(page));
        }
        assert!(html("|a|\n|-|\n|1|").unwrap().starts_with("<table>"));
    }
}
