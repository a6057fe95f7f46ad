//! What a request asks for: who asks, within which limits, and what the request says.

use std::{borrow::Cow, num::NonZeroU32};

use axum::{body::Body, extract::Request};
use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{
    own,
    parts::{Who, may_hold_nul, query, require_storable, require_storable_address, uuid},
    problem::Problem,
};
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
/// How many seconds' worth of requests may come at once.
const BURST: u32 = 10;

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
        if !shared.tail.is_there() {
            return Err(Problem::no_database());
        }
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
            let why =
                format!("this key or token may not do that: it has no scope to {}", scope.word());
            return Err(Problem::new(StatusCode::FORBIDDEN, why));
        }
        require_storable_address(&head)?;
        if let Some(user) = key.user {
            own::admit(shared, &mut head, user).await?;
        }
        Ok(Self { key, head, body })
    }

    /// Its body, which is JSON with these fields and no others.
    pub(super) async fn json<T: DeserializeOwned>(self, shared: &Shared) -> Result<T, Problem> {
        // It is looked at where it would make no difference too: who sends one wants to hear that it is wrong.
        self.idempotency_key()?;
        announced(&self.head.headers, shared.largest_body)?;
        let body = read(self.body, shared.largest_body).await?;
        // serde would take a list of values for an object as well.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::bad("the body is no JSON object"));
        }
        let bad = |error| Problem::bad(format!("the body: {error}"));
        if self.key.user.is_none() && !may_hold_nul(&body) {
            return serde_json::from_slice(&body).map_err(bad);
        }
        let body = serde_json::from_slice(&body).map_err(bad)?;
        require_storable(&body)?;
        self.key.user.map_or(Ok(()), |user| own::admit_body(&body, user))?;
        serde_json::from_value(body).map_err(bad)
    }

    /// What makes a repeat harmless: made of the key that asks, of `Idempotency-Key`, and of what it is about: the
    /// address below `/api/chat`, with ids where it may have other names.
    pub(super) fn operation(&self, about: &str) -> Result<Option<Uuid>, Problem> {
        let Some(text) = self.idempotency_key()? else { return Ok(None) };
        let (method, about) = (self.head.method.as_str(), format!("/api/chat{about}"));
        Ok(Some(made_of(&["idempotency key", &self.key.id, method, &about, text])))
    }

    fn idempotency_key(&self) -> Result<Option<&str>, Problem> {
        let Some(value) = self.head.headers.get("idempotency-key") else { return Ok(None) };
        match value.to_str() {
            Ok(text) if !text.is_empty() && text.len() <= LONGEST_KEY => Ok(Some(text)),
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
        let said = said.map(|it| uuid(name, &it)).transpose()?;
        said.map_or_else(Who::default, Who::from).acting(name, self.own())
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
