//! Slack's incoming webhooks ([docs]): `text`, `blocks`, `attachments`, and how it looks there, which
//! means nothing here.
//!
//! [docs]: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks

use serde_json::{Map, Value};

use super::{
    field::{is_void, objects, only, word},
    page::Page,
    slack_blocks, slack_text,
};

/// Who speaks where and how it looks: nothing that is said.
pub(super) const LOOKS: &[&str] = &[
    "alias",
    "avatar",
    "emoji",
    "as_user",
    "channel",
    "delete_original",
    "icon_emoji",
    "icon_url",
    "link_names",
    "metadata",
    "mrkdwn",
    "parse",
    "replace_original",
    "reply_broadcast",
    "response_type",
    "thread_ts",
    "token",
    "unfurl_links",
    "unfurl_media",
    "username",
];
const SAYS: &[&str] = &["text", "blocks", "attachments"];
const ATTACHMENT: &[&str] = &[
    "actions",
    "author_icon",
    "author_link",
    "author_name",
    "author_subname",
    "blocks",
    "callback_id",
    "attachment_type",
    "color",
    "fallback",
    "fields",
    "footer",
    "footer_icon",
    "from_url",
    "id",
    "image_url",
    "mrkdwn_in",
    "pretext",
    "text",
    "thumb_url",
    "title",
    "title_link",
    "ts",
];

pub(super) fn is(fields: &Map<String, Value>) -> bool {
    if ["html", "markdown", "notice"].iter().any(|name| fields.contains_key(*name)) {
        return false;
    }
    let has = |name: &&str| fields.get(*name).is_some_and(|value| !is_void(value));
    ["blocks", "attachments"].iter().chain(LOOKS).any(has)
        || fields.get("attachments").is_some_and(Value::is_array)
        || (fields.keys().all(|name| name == "text")
            && word(fields, "text").ok().flatten().is_some_and(slack_text::is_marked))
}

pub(super) fn page(fields: &Map<String, Value>) -> Result<Page, String> {
    only(fields, " in a Slack message", &[SAYS, LOOKS])?;
    let mut rest = Page::default();
    for block in objects(fields, "blocks")? {
        rest.add(&slack_blocks::page(block)?);
    }
    let blocks = rest.clone();
    for attachment in objects(fields, "attachments")? {
        rest.add(&attached(attachment)?);
    }
    let mut text = Page::default();
    if let Some(said) = word(fields, "text")? {
        let styled = fields.get("mrkdwn") != Some(&Value::Bool(false)) && is_slack(fields);
        slack_text::put(&mut text, said.trim_end(), styled);
    }
    // Beside blocks the text is what a notification says; often it is the same.
    if text.is_empty() || blocks.has_lines(&text.plain) {
        text = Page::default();
    }
    text.add(&rest);
    if text.is_empty() {
        return Err(if word(fields, "text")?.is_some() {
            "`text` is empty".into()
        } else {
            "there is no `text`, and nothing in `blocks` and `attachments`".into()
        });
    }
    Ok(text)
}

/// Whether more than its marks says that it is made for Slack: an asterisk may be meant as one.
fn is_slack(fields: &Map<String, Value>) -> bool {
    fields.keys().any(|name| name != "text")
}

fn attached(attachment: &Map<String, Value>) -> Result<Page, String> {
    only(attachment, " in an attachment", &[ATTACHMENT])?;
    let get = |name: &str| word(attachment, name).map(Option::unwrap_or_default);
    let mut page = Page::default();
    slack_text::put(&mut page, get("pretext")?, true);
    if !get("author_name")?.is_empty() {
        page.line();
        page.link(get("author_link")?, get("author_name")?);
        page.text(get("author_subname")?);
    }
    if !get("title")?.is_empty() || !get("title_link")?.is_empty() {
        page.line();
        let title = slack_text::plain(get("title")?);
        page.title(&title, &slack_text::plain(get("title_link")?));
    }
    page.line();
    slack_text::put(&mut page, get("text")?, true);
    for field in objects(attachment, "fields")? {
        only(field, " in a field", &[&["title", "value", "short"]])?;
        page.line();
        let title = slack_text::plain(word(field, "title")?.unwrap_or_default());
        page.bold(&title);
        let value = match field.get("value") {
            Some(value) => super::field::shown(value),
            None => String::new(),
        };
        page.text(if title.is_empty() || value.is_empty() { "" } else { ": " });
        slack_text::put(&mut page, &value, true);
    }
    for block in objects(attachment, "blocks")? {
        page.add(&slack_blocks::page(block)?);
    }
    for action in objects(attachment, "actions")? {
        page.line();
        let address = word(action, "url")?.unwrap_or_default();
        page.link(address, word(action, "text")?.or(word(action, "name")?).unwrap_or_default());
    }
    for name in ["image_url", "thumb_url", "from_url"] {
        page.line();
        page.link(get(name)?, "");
    }
    page.line();
    page.text(&slack_text::plain(get("footer")?));
    if page.is_empty() {
        slack_text::put(&mut page, get("fallback")?, true);
    }
    Ok(page)
}

#[cfg(test)]
#[path = "slack_tests.rs"]
mod tests;
