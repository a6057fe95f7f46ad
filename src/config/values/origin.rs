//! Where pages of the web come from, as browsers say it: scheme, host and port, and nothing behind them.

use serde::Serialize;
use serde_json::{Value, json};

use super::shape::Shape;

/// `https://app.example`, spelled as browsers do: no port where it is the usual one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Origin(pub(crate) String);

impl Shape for Origin {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        if text.contains('*') {
            return Err("must name each origin: with `*` any page of the web could ask".into());
        }
        reqwest::Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.path() == "/")
            .filter(|url| url.query().is_none() && url.fragment().is_none())
            .filter(|url| url.username().is_empty() && url.password().is_none())
            .map(|url| Self(url.origin().ascii_serialization()))
            .ok_or_else(|| "must be origins such as `https://app.example`, without a path".into())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^https?://[^\\s/*?#@]+/?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_say_and_neither_an_address_nor_all_of_them() {
        let read = |text: &str| Origin::read(&text.into()).map(|it| it.0);
        for (text, said) in [
            ("https://app.example", "https://app.example"),
            ("https://App.Example:443/", "https://app.example"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(read(text).unwrap(), said);
        }
        for text in ["*", "https://*.example"] {
            assert!(read(text).unwrap_err().contains("must name each origin"), "{text}");
        }
        for text in ["app.example", "null", "https://app.example/chat", "https://a@b", "ftp://a"] {
            assert!(read(text).unwrap_err().contains("without a path"), "{text}");
        }
    }
}
