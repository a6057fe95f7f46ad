//! Our own format: `text`, `html`, `markdown`, `notice`.

use serde_json::{Map, Value};

use super::{
    field::{only, word},
    page::Page,
    slack,
};
use crate::matrix::message::{self, Markup};

const KNOWN: &[&str] = &["text", "html", "markdown", "notice"];

pub(super) fn page(fields: &Map<String, Value>) -> Result<Page, String> {
    let notice = match fields.get("notice") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(notice)) => *notice,
        // A form has only texts.
        Some(Value::String(text)) if text == "true" => true,
        Some(Value::String(text)) if text == "false" => false,
        Some(_) => return Err("`notice` is neither true nor false".into()),
    };
    let said = |name: &str| match word(fields, name)? {
        Some(text) if text.trim().is_empty() => Err(format!("`{name}` is empty")),
        text => Ok(text),
    };
    let (text, html, markdown) = (said("text")?, said("html")?, said("markdown")?);
    let page = match (text, html, markdown) {
        (_, Some(_), Some(_)) => {
            return Err("`html` and `markdown` say the same twice: send one of them".into());
        }
        (None, None, None) => {
            return Err("there is no `text`; a body of another kind needs a template".into());
        }
        (Some(text), None, None) => Page::of(text, None, notice),
        (text, Some(html), None) => {
            let content = message::text(html, Markup::Html, notice);
            let plain = content["body"].as_str().unwrap_or_default();
            Page::of(text.unwrap_or(plain), Some(html.to_owned()), notice)
        }
        (text, None, Some(markdown)) => {
            let mut page = Page::default();
            page.markdown(markdown);
            Page::of(text.unwrap_or(markdown), page.html().map(str::to_owned), notice)
        }
    };
    only(fields, "", &[KNOWN, slack::LOOKS])?;
    Ok(page)
}
