//! What a request asks for: who asks, within which limits, and its parts as what they have to be.

use std::{borrow::Cow, num::NonZeroU32};

use axum::{
    body::Body,
    extract::{self, FromRequestParts, Request},
};
use http::{StatusCode, Uri, request::Parts};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{own, problem::Problem};
use crate::{
    listener::request::{announced, read, token},
    relay::{
        Shared,
        keys::{Found, Scope},
        tokens,
        user::made_of,
    },
};

/// The longest key of a request.
const LONGEST_KEY: usize = 255;
/// How many a page has where nothing is said, and at most.
const PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 200;
/// How NUL is written in JSON.
const NUL: &[u8] = b"\\u0000";
/// How many seconds' worth of requests may come at once.
const BURST: u32 = 10;

/// What the address names. As that of axum, except that who asks is told of what is wrong as of everything else.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = extract::Path::from_request_parts(head, state).await;
        let wrong = |why: extract::rejection::PathRejection| {
            Problem::bad(format!("the address: {}", why.body_text()))
        };
        found.map(|it: extract::Path<T>| Self(it.0)).map_err(wrong)
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

/// A request of somebody who may ask.
pub(super) struct Asked {
    pub(super) key: Found,
    pub(super) head: Parts,
    pub(super) body: Body,
}

impl Asked {
    pub(super) async fn of(
        shared: &Shared,
        request: Request,
        scope: Scope,
    ) -> Result<Self, Problem> {
        let (mut head, body) = request.into_parts();
        let Some(token) = token(&head.headers) else {
            let why = "the key is missing: send `Authorization: Bearer KEY`";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, why));
        };
        let key = match &shared.tokens {
            Some(tokens) if tokens::is_one(token) => tokens.find(token).await?,
            _ => {
                let found = shared.keys.find(token).await?;
                found.ok_or_else(|| Problem::unknown("the relay does not know this key"))?
            }
        };
        within_its_rate(shared, &key)?;
        if !key.has(scope) {
            let why = format!("this key may not do that: it has no scope to {}", scope.word());
            return Err(Problem::new(StatusCode::FORBIDDEN, why));
        }
        storable(&head)?;
        if let Some(user) = key.user {
            own::admit(shared, &mut head, user).await?;
        }
        Ok(Self { key, head, body })
    }

    /// Its body, which is JSON with these fields and no others.
    pub(super) async fn json<T: DeserializeOwned>(self, shared: &Shared) -> Result<T, Problem> {
        // It is looked at where it would make no difference too: who sends one wants to hear that it is wrong.
        self.operation()?;
        announced(&self.head.headers, shared.largest_body)?;
        let body = read(self.body, shared.largest_body).await?;
        // serde would take a list of values for an object as well.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::bad("the body is no JSON object"));
        }
        let bad = |error| Problem::bad(format!("the body: {error}"));
        let may_hold_nul = body.windows(NUL.len()).any(|it| it == NUL);
        if self.key.user.is_none() && !may_hold_nul {
            return serde_json::from_slice(&body).map_err(bad);
        }
        let body = serde_json::from_slice(&body).map_err(bad)?;
        with_nul(&body).map_or(Ok(()), |name| Err(has_nul(name)))?;
        self.key.user.map_or(Ok(()), |user| own::admit_body(&body, user))?;
        serde_json::from_value(body).map_err(bad)
    }

    /// What makes a repeat harmless: made of the key that asks and of `Idempotency-Key`.
    pub(super) fn operation(&self) -> Result<Option<Uuid>, Problem> {
        let Some(value) = self.head.headers.get("idempotency-key") else { return Ok(None) };
        match value.to_str() {
            Ok(text) if !text.is_empty() && text.len() <= LONGEST_KEY => {
                let Parts { method, uri, .. } = &self.head;
                let words = ["idempotency key", &self.key.id, method.as_str(), uri.path(), text];
                Ok(Some(made_of(&words)))
            }
            _ => Err(Problem::bad(format!(
                "`Idempotency-Key` has 1 to {LONGEST_KEY} visible ASCII characters"
            ))),
        }
    }

    pub(super) fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        query(&self.head.uri, name)
    }

    /// A number of the query.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.query(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| *number >= 0);
        number.map(Some).ok_or_else(|| Problem::bad(format!("`{name}` must be a number")))
    }

    /// The user whose token it is: what is read is theirs.
    pub(super) fn own(&self) -> Option<Uuid> {
        self.key.user
    }

    /// How many a page is to have.
    pub(super) fn limit(&self) -> Result<i64, Problem> {
        match self.number("limit")? {
            None => Ok(PAGE),
            Some(number @ 1..=LARGEST_PAGE) => Ok(number),
            Some(_) => Err(Problem::bad(format!("`limit` must be from 1 to {LARGEST_PAGE}"))),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<String, Problem> {
        let found = self.query(name).filter(|it| !it.is_empty());
        found.map(Cow::into_owned).ok_or_else(|| Problem::bad(format!("`?{name}=` is missing")))
    }

    /// Who acts, as the query says.
    pub(super) fn acting(&self, name: &str) -> Result<Uuid, Problem> {
        let said = self.query(name).filter(|it| !it.is_empty());
        Who(said.map(|it| uuid(name, &it)).transpose()?).acting(name, self.own())
    }
}

fn within_its_rate(shared: &Shared, key: &Found) -> Result<(), Problem> {
    let rate = if key.user.is_some() { shared.rate } else { shared.key_rate };
    let Some(rate) = NonZeroU32::new(rate) else { return Ok(()) };
    let burst = rate.get().saturating_mul(BURST);
    shared.rates.take(&key.id, f64::from(rate.get()), burst).map_err(|wait| {
        let why = format!("too many requests: {burst} are taken at once, and {rate} a second");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, why).later(wait)
    })
}

fn has_nul(what: &str) -> Problem {
    Problem::bad(format!("`{what}` holds the character NUL"))
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

/// The same of the address.
fn storable(head: &Parts) -> Result<(), Problem> {
    if head.uri.path().contains("%00") {
        return Err(Problem::bad("the address holds the character NUL"));
    }
    let mut pairs = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    pairs.find(|(_, value)| value.contains('\0')).map_or(Ok(()), |(name, _)| Err(has_nul(&name)))
}

pub(super) fn query<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.filter(|(key, _)| key == name).map(|(_, value)| value).next()
}

pub(super) fn uuid(what: &str, text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::bad(format!("`{what}` must be a UUID")))
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
