//! The kinds of values a setting can have: how each is read from a text or from YAML, and how the
//! schema describes it. A refusal says what would be right.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use ruma::OwnedServerName;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::secret::Secret;

pub(crate) trait Shape: Sized {
    /// From a text (environment, flag, default) or a YAML value; the error completes "it …".
    fn read(value: &Value) -> Result<Self, String>;

    /// As JSON schema.
    fn schema() -> Value;
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Err("must have a value".into()),
        _ => Err("must be a single value".into()),
    }
}

/// A yes or no as people write it, in whatever case.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" | "" => Some(false),
        _ => None,
    }
}

impl Shape for bool {
    fn read(value: &Value) -> Result<Self, String> {
        flag(&text(value)?).ok_or_else(|| "must be true or false".into())
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

impl Shape for u32 {
    fn read(value: &Value) -> Result<Self, String> {
        text(value)?.parse().map_err(|_| "must be a whole number that is not negative".into())
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0 })
    }
}

impl Shape for f64 {
    fn read(value: &Value) -> Result<Self, String> {
        let number: Self = text(value)?.parse().map_err(|_| "must be a number")?;
        if number.is_finite() && number >= 0.0 {
            Ok(number)
        } else {
            Err("must not be negative".into())
        }
    }

    fn schema() -> Value {
        json!({ "type": "number", "minimum": 0 })
    }
}

impl Shape for String {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters".into());
        }
        Ok(text)
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

impl<T: Shape> Shape for Option<T> {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => Ok(None),
            value => T::read(value).map(Some),
        }
    }

    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items.iter().map(T::read).collect(),
            value => text(value)?
                .split([',', ' '])
                .filter(|item| !item.is_empty())
                .map(|item| T::read(&item.into()))
                .collect(),
        }
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl Shape for PathBuf {
    fn read(value: &Value) -> Result<Self, String> {
        let path = Self::from(String::read(value)?);
        if path.is_absolute() { Ok(path) } else { Err("must be an absolute path".into()) }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^/" })
    }
}

/// Whether it is a label of a DNS name, in lower case ([RFC 1123](https://www.rfc-editor.org/rfc/rfc1123#section-2.1)).
pub(crate) fn is_label(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Where a machine or a container is: an address, or a name that all who ask for it resolve.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Address(IpAddr),
    Name(String),
}

impl Host {
    /// As it stands before a port.
    pub(crate) fn bracketed(&self) -> String {
        crate::config::bracketed(&self.to_string()).into_owned()
    }

    /// What it listens on there: whoever has a name may have another address each day.
    pub(crate) fn listens(&self) -> IpAddr {
        match self {
            Self::Address(address) => *address,
            Self::Name(_) => Ipv4Addr::UNSPECIFIED.into(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Serialize for Host {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Host {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let is_name = text.len() <= 253
            && text.split('.').all(is_label)
            // `10.0.0.300` is nobody's name.
            && text.rsplit('.').next().is_some_and(|last| !last.chars().all(|c| c.is_ascii_digit()));
        if is_name {
            return Ok(Self::Name(text));
        }
        Err("must be an IP address, or a DNS name in lower case".into())
    }

    fn schema() -> Value {
        json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }, { "format": "hostname" }] })
    }
}

impl Shape for IpAddr {
    fn read(value: &Value) -> Result<Self, String> {
        text(value)?.parse().map_err(|_| "must be an IP address such as 127.0.0.1 or ::".into())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+$" })
    }
}

/// Where a server is reached: scheme, host, port and perhaps a path, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct HttpUrl(pub(crate) String);

impl Shape for HttpUrl {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        // Whoever uses it adds that.
        if let Some((base, _)) = text.split_once("/_matrix").or(text.split_once("/_synapse")) {
            return Err(format!("must be without what begins with `/_`: `{base}`"));
        }
        // It also comes into files in which these signs mean something.
        let plain = |c: char| c.is_ascii_graphic() && !"\"'$\\`;{}<>".contains(c);
        reqwest::Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .filter(|url| url.query().is_none() && url.fragment().is_none())
            .filter(|url| url.username().is_empty() && url.password().is_none())
            .filter(|_| text.chars().all(plain))
            .map(|_| Self(text.trim_end_matches('/').to_owned()))
            .ok_or_else(|| "must be an address such as `https://matrix.example.org`".into())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^https?://[^\\s\"'$\\\\`;{}<>?#@]+$" })
    }
}

impl Shape for Secret {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        if text.chars().count() < 8 {
            return Err("must have at least 8 characters".into());
        }
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters".into());
        }
        Ok(Self::new(text))
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 8, "writeOnly": true })
    }
}

/// A TCP port that a server can listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Port(pub(crate) u16);

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Shape for Port {
    fn read(value: &Value) -> Result<Self, String> {
        match text(value)?.parse() {
            Ok(0) | Err(_) => Err("must be a port, 1 to 65535".into()),
            Ok(port) => Ok(Self(port)),
        }
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 1, "maximum": 65535 })
    }
}

/// A share of a whole, in hundredths; a whole core is 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Percent(pub(crate) u32);

impl Shape for Percent {
    fn read(value: &Value) -> Result<Self, String> {
        match text(value)?.trim_end_matches('%').parse() {
            Ok(percent @ 1..=100) => Ok(Self(percent)),
            _ => Err("must be a percentage, 1 to 100".into()),
        }
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 1, "maximum": 100 })
    }
}

/// The part after the colon of every user id (spec: appendices, server name): lower case here,
/// because clients and other servers compare it byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct ServerName(pub(crate) OwnedServerName);

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Shape for ServerName {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        if text.chars().any(char::is_uppercase) {
            return Err("must be in lower case".into());
        }
        if text.contains('/') {
            return Err(
                "must be a host name such as `example.org`, without a scheme or a path".into()
            );
        }
        OwnedServerName::try_from(text)
            .map(Self)
            .map_err(|_| "must be a host name such as `example.org`".into())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9.:\\[\\]-]+$" })
    }
}

/// The part of a user id before the colon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Localpart(pub(crate) String);

impl fmt::Display for Localpart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Shape for Localpart {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._=-/+".contains(c);
        if text.is_empty() || text.len() > 200 || !text.chars().all(allowed) {
            return Err("may only contain a-z, 0-9 and . _ = - / +".into());
        }
        Ok(Self(text))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9._=/+-]{1,200}$" })
    }
}

/// The name of a PostgreSQL role or database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Identifier(pub(crate) String);

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Shape for Identifier {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        if text.is_empty() || text.len() > 63 {
            return Err("must have 1 to 63 bytes, PostgreSQL's limit for a name".into());
        }
        Ok(Self(text))
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": 63 })
    }
}

/// An amount of bytes, as Synapse writes it: `50M`, `1G`, `1024`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

const UNITS: [(char, u64); 4] = [('T', 1 << 40), ('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => self.0.fmt(f),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Size {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?.to_uppercase();
        let unit = UNITS.iter().find_map(|(unit, n)| Some((text.strip_suffix(*unit)?, *n)));
        let (digits, factor) = unit.unwrap_or((&text, 1));
        let number: Option<u64> = digits.trim().parse().ok();
        number
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| "must be an amount of bytes such as 50M or 1G".into())
    }

    fn schema() -> Value {
        json!({ "type": ["string", "integer"], "pattern": "^[0-9]+ ?[KMGTkmgt]?$" })
    }
}

/// A length of time as Synapse writes it: `500ms`, `60s` (or `60`), `5m`, `12h`, `90d`, `1w`, `1y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) std::time::Duration);

const PERIODS: [(&str, u64); 7] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
    ("y", 365 * 86_400_000),
];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, factor) = PERIODS
            .iter()
            .rev()
            .find(|(_, factor)| ms.is_multiple_of(*factor))
            .unwrap_or(&("ms", 1));
        if ms == 0 { f.write_str("0s") } else { write!(f, "{}{unit}", ms / factor) }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &text[digits.len()..];
        let unit = if unit.is_empty() { "s" } else { unit };
        let factor = PERIODS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let number: Option<u64> = digits.trim().parse().ok();
        number
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor))
            .map(|ms| Self(std::time::Duration::from_millis(ms)))
            .ok_or_else(|| "must be a length of time such as 60s, 5m or 90d".into())
    }
}

impl Shape for Span {
    fn read(value: &Value) -> Result<Self, String> {
        text(value)?.parse()
    }

    fn schema() -> Value {
        json!({ "type": ["string", "integer"], "pattern": "^[0-9]+ ?(ms|s|m|h|d|w|y)?$" })
    }
}

/// A length of time after which something is gone; with none of it everything would be, at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lasting(pub(crate) Span);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Lasting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Lasting {
    fn read(value: &Value) -> Result<Self, String> {
        let span = Span::read(value)?;
        if span.0.is_zero() { Err("must be greater than zero".into()) } else { Ok(Self(span)) }
    }

    fn schema() -> Value {
        Span::schema()
    }
}

/// What [`words!`] makes.
pub(crate) trait Words: Sized + 'static {
    const ALL: &'static [Self];

    /// As it is written in settings.
    fn word(self) -> &'static str;
}

/// An enum of words: `words! { Name { Variant = "word", … } }`.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
        pub(crate) enum $name { $($(#[$doc])* #[serde(rename = $word)] $variant),+ }

        impl $crate::config::values::shape::Words for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::config::values::shape::Shape for $name {
            fn read(value: &serde_json::Value) -> Result<Self, String> {
                match <String as $crate::config::values::shape::Shape>::read(value)?.as_str() {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(concat!("must be one of:", $(" ", $word),+).into()),
                }
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({ "type": "string", "enum": [$($word),+] })
            }
        }
    };
}
pub(crate) use words;
