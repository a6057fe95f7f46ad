//! What a request asks for: who asks, within which limits, and its parts as what they have to be.

use std::borrow::Cow;

use axum::{body::Body, extract::Request};
use http::{StatusCode, Uri, request::Parts};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::problem::Problem;
use crate::{
    listener::request,
    relay::{
        Shared,
        keys::{Found, Scope},
        user::made_of,
    },
};

/// The longest key of a request.
const LONGEST_KEY: usize = 255;
/// How many a page has where nothing is said, and at most.
const PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 200;

/// A request of somebody who may ask.
pub(super) struct Asked {
    pub(super) key: Found,
    pub(super) head: Parts,
    body: Body,
}

impl Asked {
    pub(super) async fn of(shared: &Shared, asked: Request, scope: Scope) -> Result<Self, Problem> {
        let (head, body) = asked.into_parts();
        let refused = |why: &str| Problem::new(StatusCode::UNAUTHORIZED, why);
        let Some(token) = request::token(&head.headers) else {
            return Err(refused("the key is missing: send `Authorization: Bearer KEY`"));
        };
        let found = shared.keys.find(token).await?;
        let key = found.ok_or_else(|| refused("the relay does not know this key"))?;
        if !key.has(scope) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "this key may not do that"));
        }
        Ok(Self { key, head, body })
    }

    /// Its body, which is JSON with these fields and no others.
    pub(super) async fn json<T: DeserializeOwned>(self, shared: &Shared) -> Result<T, Problem> {
        request::announced(&self.head.headers, shared.largest_body)?;
        let body = request::read(self.body, shared.largest_body).await?;
        serde_json::from_slice(&body).map_err(|error| Problem::bad(format!("the body: {error}")))
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

    pub(super) fn user(&self) -> Result<Uuid, Problem> {
        uuid("user_id", &self.required("user_id")?)
    }
}

fn query<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.filter(|(key, _)| key == name).map(|(_, value)| value).next()
}

pub(super) fn uuid(what: &str, text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::bad(format!("`{what}` must be a UUID")))
}
