//! Slack's blocks ([docs]).
//!
//! [docs]: https://docs.slack.dev/reference/block-kit/blocks

use serde_json::{Map, Value};

use super::{
    field::{self, objects, text},
    page::Page,
    slack_text,
};

/// The page of one block; an error for one that cannot be shown.
pub(super) fn page(block: &Map<String, Value>) -> Result<Page, String> {
    let mut page = Page::default();
    let whole = Value::Object(block.clone());
    match text(&whole, "type") {
        "header" => page.bold(text(&whole, "text.text")),
        "section" => {
            words(&mut page, field::at(&whole, "text"));
            for field in objects(block, "fields")? {
                page.line();
                words(&mut page, &Value::Object(field.clone()));
            }
            if let Some(accessory) = block.get("accessory").filter(|it| !field::is_void(it)) {
                page.line();
                element(&mut page, accessory)?;
            }
        }
        "context" | "actions" => {
            for item in objects(block, "elements")? {
                if !page.is_empty() {
                    page.text(" ");
                }
                element(&mut page, &Value::Object(item.clone()))?;
            }
        }
        "divider" => {}
        "image" => picture(&mut page, &whole),
        "video" => {
            page.title(text(&whole, "title.text"), text(&whole, "video_url"));
            page.line();
            page.text(text(&whole, "description.text"));
        }
        "markdown" => page.markdown(text(&whole, "text")),
        "rich_text" => {
            for item in field::list(&whole, "elements") {
                page.line();
                rich(&mut page, item)?;
            }
        }
        other => return Err(unknown("block", other)),
    }
    Ok(page)
}

fn unknown(what: &str, kind: &str) -> String {
    let kind: String = kind.chars().take(60).collect();
    format!("a Slack {what} of the type `{}` cannot be shown", kind.escape_debug())
}

/// A text object: `mrkdwn` or `plain_text`.
fn words(page: &mut Page, object: &Value) {
    let said = text(object, "text");
    if text(object, "type") == "plain_text" {
        page.text(said);
    } else {
        slack_text::put(page, said, true);
    }
}

fn picture(page: &mut Page, image: &Value) {
    let label = field::first(image, &["title.text", "alt_text"]);
    page.link(field::first(image, &["image_url", "slack_file.url"]), label);
}

fn element(page: &mut Page, element: &Value) -> Result<(), String> {
    match text(element, "type") {
        "mrkdwn" | "plain_text" => words(page, element),
        "image" => picture(page, element),
        "button" | "workflow_button" => {
            page.link(text(element, "url"), text(element, "text.text"));
        }
        other => return Err(unknown("element", other)),
    }
    Ok(())
}

/// A part of a rich text: sections, lists, quotes, and what is in them.
fn rich(page: &mut Page, part: &Value) -> Result<(), String> {
    let inner = field::list(part, "elements");
    let said = field::at(part, "text").as_str().unwrap_or_default();
    match text(part, "type") {
        "rich_text_section" => inner.iter().try_for_each(|it| rich(page, it))?,
        "rich_text_quote" => {
            let mut quoted = Page::default();
            inner.iter().try_for_each(|it| rich(&mut quoted, it))?;
            page.within("blockquote", "", |page| page.add(&quoted));
        }
        "rich_text_preformatted" => {
            let mut block = Page::default();
            inner.iter().try_for_each(|it| rich(&mut block, it))?;
            page.block(&block.plain);
        }
        "rich_text_list" => {
            for (at, item) in inner.iter().enumerate() {
                page.line();
                let ordered = text(part, "style") == "ordered";
                page.text(&if ordered { format!("{}. ", at + 1) } else { "- ".to_owned() });
                rich(page, item)?;
            }
        }
        "text" => {
            let is = |name: &str| field::at(part, &format!("style.{name}")) == true;
            if is("code") {
                page.code(said);
            } else if is("bold") {
                page.bold(said);
            } else if is("italic") {
                page.within("em", "", |page| page.text(said));
            } else if is("strike") {
                page.within("del", "~", |page| page.text(said));
            } else {
                page.text(said);
            }
        }
        "link" => page.link(text(part, "url"), said),
        "emoji" => page.text(&format!(":{}:", text(part, "name"))),
        "user" => page.text(&format!("@{}", text(part, "user_id"))),
        "usergroup" => page.text(&format!("@{}", text(part, "usergroup_id"))),
        "channel" => page.text(&format!("#{}", text(part, "channel_id"))),
        "broadcast" => page.text(&format!("@{}", text(part, "range"))),
        "color" => page.text(text(part, "value")),
        "date" => page.text(&field::shown(match field::at(part, "fallback") {
            Value::Null => field::at(part, "timestamp"),
            fallback => fallback,
        })),
        other => return Err(unknown("element", other)),
    }
    Ok(())
}
