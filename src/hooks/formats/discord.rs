//! Discord's webhooks ([docs]): `content` in Markdown, and `embeds`.
//!
//! [docs]: https://docs.discord.com/developers/resources/webhook#execute-webhook

use serde_json::{Map, Value};

use super::{
    field::{self, is_void, objects, only, word},
    page::Page,
};

const KNOWN: &[&str] = &[
    "allowed_mentions",
    "applied_tags",
    "avatar_url",
    "content",
    "embeds",
    "flags",
    "thread_name",
    "tts",
    "username",
];
const EMBED: &[&str] = &[
    "author",
    "color",
    "description",
    "fields",
    "footer",
    "image",
    "provider",
    "thumbnail",
    "timestamp",
    "title",
    "type",
    "url",
    "video",
];

pub(super) fn is(fields: &Map<String, Value>) -> bool {
    let text = fields.get("content").is_some_and(Value::is_string) && !fields.contains_key("text");
    text || fields.get("embeds").is_some_and(|embeds| !is_void(embeds))
}

pub(super) fn page(fields: &Map<String, Value>) -> Result<Page, String> {
    only(fields, " in a Discord message", &[KNOWN])?;
    let mut page = Page::default();
    page.markdown(word(fields, "content")?.unwrap_or_default());
    for embed in objects(fields, "embeds")? {
        page.add(&embedded(embed)?);
    }
    if page.is_empty() {
        return Err("there is no `content`, and nothing in `embeds`".into());
    }
    Ok(page)
}

fn embedded(embed: &Map<String, Value>) -> Result<Page, String> {
    only(embed, " in an embed", &[EMBED])?;
    let whole = Value::Object(embed.clone());
    let text = |path: &str| field::text(&whole, path);
    let mut page = Page::default();
    page.link(text("author.url"), text("author.name"));
    page.line();
    page.title(text("title"), text("url"));
    page.line();
    page.markdown(word(embed, "description")?.unwrap_or_default().trim());
    for field in objects(embed, "fields")? {
        page.line();
        page.bold(word(field, "name")?.unwrap_or_default());
        page.text(": ");
        page.markdown(word(field, "value")?.unwrap_or_default());
    }
    for path in ["image.url", "thumbnail.url", "video.url"] {
        page.line();
        page.link(text(path), "");
    }
    page.line();
    page.link(text("provider.url"), text("provider.name"));
    page.line();
    let below = [text("footer.text"), text("timestamp")];
    let below: Vec<&str> = below.into_iter().filter(|it| !it.is_empty()).collect();
    page.text(&below.join(", "));
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_embeds_are_shown() {
        let body = serde_json::json!({
            "username": "ci", "avatar_url": "https://x.org/a.png", "content": "**Build** failed",
            "embeds": [{
                "title": "web #42", "url": "https://x.org/42", "description": "see [log](https://x.org/log)",
                "color": 15_158_332, "fields": [{ "name": "Branch", "value": "`main`", "inline": true }],
                "author": { "name": "Ann" }, "footer": { "text": "CI" }, "timestamp": "2026-01-02T03:04:05Z",
            }],
        });
        let fields = body.as_object().unwrap();
        assert!(is(fields));
        let page = page(fields).unwrap();
        assert_eq!(
            page.plain,
            "**Build** failed\nAnn\nweb #42 (https://x.org/42)\nsee [log](https://x.org/log)\nBranch: `main`\nCI, 2026-01-02T03:04:05Z"
        );
        assert_eq!(
            page.html().unwrap(),
            "<strong>Build</strong> failed<br>Ann<br><strong><a href=\"https://x.org/42\">web #42</a></strong><br>see <a href=\"https://x.org/log\">log</a><br><strong>Branch</strong>: <code>main</code><br>CI, 2026-01-02T03:04:05Z"
        );
        for (body, reason) in [
            (serde_json::json!({ "content": "" }), "no `content`"),
            (serde_json::json!({ "content": "a", "poll": { "question": 1 } }), "`poll`"),
            (serde_json::json!({ "embeds": [{ "strange": 1 }] }), "`strange`"),
        ] {
            let said = super::page(body.as_object().unwrap()).unwrap_err();
            assert!(said.contains(reason), "{said}");
        }
    }
}
