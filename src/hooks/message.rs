//! What a request says, made into the content of a message: JSON with `text`, as Slack's webhooks have
//! it, or plain text.

use serde_json::Value;

use crate::matrix::message::{self, Markup};

/// Why a body is no message: how it is called in the Matrix API, and a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    NotJson(String),
    Bad(String),
    TooLarge(String),
}

/// The content for a body of that type.
pub(super) fn content(kind: &str, body: &[u8]) -> Result<Value, Flaw> {
    let Ok(body) = std::str::from_utf8(body) else {
        return Err(Flaw::NotJson("the body is not valid UTF-8".into()));
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let content = if essence.eq_ignore_ascii_case("text/plain") {
        message::text(said("the body", body)?, Markup::Plain, false)
    } else {
        of_json(body)?
    };
    message::check_size(&content).map_err(|error| Flaw::TooLarge(error.to_string()))?;
    Ok(content)
}

fn of_json(body: &str) -> Result<Value, Flaw> {
    let value: Value = serde_json::from_str(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Flaw::NotJson(format!("the body is not valid JSON ({place})"))
    })?;
    let Value::Object(fields) = value else {
        return Err(Flaw::Bad("the body is no JSON object; one is like {\"text\": \"…\"}".into()));
    };
    let word = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(Flaw::Bad(format!("`{name}` is no text"))),
    };
    let notice = match fields.get("notice") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(notice)) => *notice,
        Some(_) => return Err(Flaw::Bad("`notice` is neither true nor false".into())),
    };
    match (word("text")?, word("html")?) {
        (None, None) => Err(Flaw::Bad("there is no `text`".into())),
        (Some(text), None) => Ok(message::text(said("`text`", text)?, Markup::Plain, notice)),
        (text, Some(html)) => {
            let mut content = message::text(said("`html`", html)?, Markup::Html, notice);
            if let Some(text) = text {
                content["body"] = said("`text`", text)?.into();
            }
            Ok(content)
        }
    }
}

/// A text that says something; the database holds no NUL.
fn said<'a>(what: &str, text: &'a str) -> Result<&'a str, Flaw> {
    if text.trim().is_empty() {
        Err(Flaw::Bad(format!("{what} is empty")))
    } else if text.contains('\0') {
        Err(Flaw::Bad(format!("{what} contains a NUL byte")))
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> Result<Value, Flaw> {
        content("application/json", body.as_bytes())
    }

    #[test]
    fn text_html_and_notice_become_a_message() {
        assert_eq!(json(r#"{"text":"a"}"#).unwrap()["body"], "a");
        let slack = json(r#"{"text":"a","channel":"x","attachments":[]}"#).unwrap();
        assert_eq!(
            slack,
            serde_json::json!({ "msgtype": "m.text", "body": "a", "m.mentions": {} })
        );
        let both = json(r#"{"text":"a","html":"<b>b</b>","notice":true}"#).unwrap();
        assert_eq!(both["body"], "a");
        assert_eq!(both["formatted_body"], "<b>b</b>");
        assert_eq!(both["msgtype"], "m.notice");
        assert_eq!(json(r#"{"html":"<b>b</b>"}"#).unwrap()["body"], "b");
        assert_eq!(content("text/plain; charset=utf-8", "ä\n".as_bytes()).unwrap()["body"], "ä\n");
        // What curl calls a body that it was given with `-d`.
        let form = content("application/x-www-form-urlencoded", br#"{"text":"a"}"#).unwrap();
        assert_eq!(form["body"], "a");
    }

    #[test]
    fn what_says_nothing_is_refused_with_the_reason() {
        for (body, reason) in [
            ("{", "the body is not valid JSON (line 1, column 1)"),
            ("[]", "the body is no JSON object; one is like {\"text\": \"…\"}"),
            ("{}", "there is no `text`"),
            (r#"{"text":7}"#, "`text` is no text"),
            (r#"{"text":" \n"}"#, "`text` is empty"),
            (r#"{"text":"a\u0000"}"#, "`text` contains a NUL byte"),
            (r#"{"text":"a","notice":"yes"}"#, "`notice` is neither true nor false"),
        ] {
            let (Flaw::Bad(said) | Flaw::NotJson(said) | Flaw::TooLarge(said)) =
                json(body).unwrap_err();
            assert_eq!(said, reason, "{body}");
        }
        assert!(json(r#"{"text":"\ud800"}"#).is_err());
        assert!(json(&"[".repeat(100_000)).is_err());
        assert!(matches!(content("text/plain", b"\xff"), Err(Flaw::NotJson(_))));
        let large = "a".repeat(message::LARGEST);
        assert!(matches!(content("text/plain", large.as_bytes()), Err(Flaw::TooLarge(_))));
    }
}
