//! What a request says, made into the content of a message: in one of the [`super::formats`], or through the
//! webhook's own template.

use serde_json::{Map, Value, json};

use super::{
    formats::{Events, Format, Page},
    template::Template,
};
use crate::matrix::{html, message};

/// Why a body is no message: how it is called in the Matrix API, and a sentence. It never has the
/// values of the body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    NotJson(String),
    Bad(String),
    TooLarge(String),
    Template(String),
}

impl Flaw {
    pub(crate) fn sentence(&self) -> &str {
        let (Self::NotJson(said) | Self::Bad(said) | Self::TooLarge(said) | Self::Template(said)) =
            self;
        said
    }
}

/// What came: of which type, with which headers, and the body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Call<'a> {
    pub(crate) kind: &'a str,
    pub(crate) events: Events<'a>,
    pub(crate) body: &'a [u8],
}

/// What is made of it.
#[derive(Debug)]
pub(crate) struct Reading {
    /// As which it was read.
    pub(crate) format: Format,
    /// None where the sender only asks whether somebody is there.
    pub(crate) content: Option<Value>,
}

/// Reads a call as the webhook wants it read.
pub(crate) fn read(
    call: Call<'_>,
    wanted: Format,
    template: Option<&Template>,
) -> Result<Reading, Flaw> {
    let Ok(body) = std::str::from_utf8(call.body) else {
        return Err(Flaw::NotJson("the body is not valid UTF-8".into()));
    };
    let is_text = essence(call.kind).eq_ignore_ascii_case("text/plain");
    let is_open = template.is_some() || matches!(wanted, Format::Auto | Format::Own);
    let value = if is_text && is_open { Value::from(body) } else { parsed(call.kind, body)? };
    let format = if wanted == Format::Auto { guessed(call, &value) } else { wanted };
    let page = match (template, &value) {
        (_, Value::Object(_)) if format == Format::Github && call.events.is_ping() => None,
        (Some(template), value) => Some(template.page(value).map_err(Flaw::Template)?),
        (None, Value::String(text)) if is_text => {
            if text.trim().is_empty() {
                return Err(Flaw::Bad("the body is empty".into()));
            }
            let mut page = Page::default();
            page.plain.clone_from(text);
            Some(page)
        }
        (None, Value::Object(fields)) => format.page(call.events, fields).map_err(Flaw::Bad)?,
        (None, _) => {
            let error = "the body is no JSON object; one is like {\"text\": \"…\"}";
            return Err(Flaw::Bad(error.into()));
        }
    };
    let content = page.map(|page| content(&page)).transpose()?;
    Ok(Reading { format, content })
}

/// As what a call would be read, whatever becomes of it.
pub(crate) fn format(call: Call<'_>, wanted: Format) -> Format {
    if wanted != Format::Auto {
        return wanted;
    }
    let value = std::str::from_utf8(call.body).ok().and_then(|body| parsed(call.kind, body).ok());
    guessed(call, &value.unwrap_or_default())
}

fn guessed(call: Call<'_>, value: &Value) -> Format {
    value.as_object().map_or(Format::Own, |fields| Format::of(call.events, fields))
}

fn content(page: &Page) -> Result<Value, Flaw> {
    // The database holds none.
    if page.plain.contains('\0') || page.html().is_some_and(|html| html.contains('\0')) {
        return Err(Flaw::Bad("the message contains a NUL byte".into()));
    }
    let kind = if page.notice { "m.notice" } else { "m.text" };
    let mut content = json!({ "msgtype": kind, "body": page.plain, "m.mentions": {} });
    if let Some(html) = page.html() {
        message::mention(&mut content, html::people(html), false);
        content["format"] = "org.matrix.custom.html".into();
        content["formatted_body"] = html.into();
    }
    message::check_size(&content).map_err(|error| Flaw::TooLarge(error.to_string()))?;
    Ok(content)
}

fn essence(kind: &str) -> &str {
    kind.split(';').next().unwrap_or_default().trim()
}

/// JSON, or a form: JSON in its field `payload`, or fields that are texts. JSON that is called a form
/// is what curl makes of `-d`.
fn parsed(kind: &str, body: &str) -> Result<Value, Flaw> {
    let is_form = essence(kind).eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let is_json = body.trim_start().starts_with(['{', '[']);
    if !is_form || is_json || !body.contains('=') {
        return of_json("the body", body);
    }
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body.as_bytes()) {
        if fields.contains_key(&*name) {
            return Err(Flaw::Bad("a field of the form comes twice".into()));
        }
        fields.insert(name.into_owned(), value.into_owned().into());
    }
    match fields.get("payload") {
        Some(Value::String(payload)) => of_json("`payload`", payload),
        _ => Ok(Value::Object(fields)),
    }
}

fn of_json(what: &str, text: &str) -> Result<Value, Flaw> {
    serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Flaw::NotJson(format!("{what} is not valid JSON ({place})"))
    })
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
