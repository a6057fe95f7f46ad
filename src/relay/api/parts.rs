//! The parts of a request as what they have to be.

use std::borrow::Cow;

use axum::extract::{self, FromRequestParts};
use http::{Uri, request::Parts};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::problem::Problem;

/// How NUL is written in JSON.
const NUL: &[u8] = b"\\u0000";

/// What the address names. As that of axum, except that who asks is told of what is wrong as of everything else.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = extract::Path::from_request_parts(head, state).await;
        found
            .map(|it: extract::Path<T>| Self(it.0))
            .map_err(|why: extract::rejection::PathRejection| Problem::bad(why.body_text()))
    }
}

/// Who acts. Where it is not said, that is the user whose token it is.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(from = "Uuid")]
pub(super) struct Who(Option<Uuid>);

impl From<Uuid> for Who {
    fn from(said: Uuid) -> Self {
        Self(Some(said))
    }
}

impl Who {
    pub(super) fn acting(self, name: &str, own: Option<Uuid>) -> Result<Uuid, Problem> {
        self.0.or(own).ok_or_else(|| Problem::bad(format!("`{name}` is missing")))
    }
}

pub(super) fn query<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.filter(|(key, _)| key == name).map(|(_, value)| value).next()
}

pub(super) fn uuid(what: &str, text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::bad(format!("`{what}` must be a UUID")))
}

fn has_nul(what: &str) -> Problem {
    Problem::bad(format!("`{what}` holds the character NUL"))
}

/// Whether it is worth a look.
pub(super) fn may_hold_nul(json: &[u8]) -> bool {
    json.windows(NUL.len()).any(|it| it == NUL)
}

/// The field whose text the database cannot hold.
fn with_nul(value: &Value) -> Option<&str> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::String(text) => text.contains('\0').then_some(name.as_str()),
            other => with_nul(other),
        }),
        Value::Array(all) => all.iter().find_map(with_nul),
        _ => None,
    }
}

/// Names what of a body the database cannot hold.
pub(super) fn require_storable(body: &Value) -> Result<(), Problem> {
    with_nul(body).map_or(Ok(()), |name| Err(has_nul(name)))
}

/// The same of the address.
pub(super) fn require_storable_address(head: &Parts) -> Result<(), Problem> {
    if head.uri.path().contains("%00") {
        return Err(Problem::bad("the address holds the character NUL"));
    }
    let mut pairs = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    pairs.find(|(_, value)| value.contains('\0')).map_or(Ok(()), |(name, _)| Err(has_nul(&name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_field_that_holds_nul_is_named_wherever_it_is() {
        let found = |value: Value| with_nul(&value).map(str::to_owned);
        assert_eq!(found(json!({ "a": "x", "b": "\0" })).as_deref(), Some("b"));
        assert_eq!(found(json!({ "a": [{ "name": "x\0" }] })).as_deref(), Some("name"));
        assert_eq!(found(json!({ "a": "\\u0000", "b": [1, null] })), None);
    }
}
