//! Keys with which programs of the application come in: kept as hashes, each for some of the scopes.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rand::rng;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use super::Error;
use crate::secret::Secret;

/// How long a key that was looked up counts: one that was removed goes on for no longer.
const FRESH: Duration = Duration::from_secs(5);
/// How many are remembered.
const MOST: usize = 1024;
/// What every key begins with, so that scanners for secrets find them.
const MARK: &str = "rmsrelay_";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Read,
    Write,
}

impl Scope {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: String,
    scopes: Vec<String>,
    /// The only one as whom it acts; none of a program of the application.
    pub(super) user: Option<Uuid>,
    pub(super) term: Term,
}

/// How long what was found counts for who goes on after the request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Term {
    Until(tokio::time::Instant),
    /// As long as there is a key with this hash.
    WhileThere(Hash),
}

/// SHA-256 of a key.
pub(super) type Hash = [u8; 32];

impl Found {
    /// What somebody else's token opens, for so long.
    pub(super) fn of_token(
        subject: &str,
        scopes: Vec<String>,
        user: Option<Uuid>,
        left: Duration,
    ) -> Self {
        let term = Term::Until(tokio::time::Instant::now() + left);
        // No key has such a name.
        Self { id: format!("token of {subject}"), scopes, user, term }
    }

    pub(super) fn has(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|it| it == scope.word())
    }
}

/// Those that were looked up lately.
pub(super) struct Known {
    pool: PgPool,
    lately: Mutex<BTreeMap<Hash, Looked>>,
}

/// When one was looked up, and what was found.
type Looked = (Instant, Option<Found>);

fn hash(key: &str) -> Hash {
    Sha256::digest(key).into()
}

impl Known {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, lately: Mutex::default() }
    }

    pub(super) async fn find(&self, key: &str) -> Result<Option<Found>, sqlx::Error> {
        self.of(hash(key)).await
    }

    /// The one of this hash, as long as there is one.
    pub(super) async fn of(&self, hash: Hash) -> Result<Option<Found>, sqlx::Error> {
        let lately = || self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, found)) = lately().get(&hash)
            && at.elapsed() < FRESH
        {
            return Ok(found.clone());
        }
        let found: Option<(String, Vec<String>)> = sqlx::query_as(
            "SELECT id, scopes FROM relay.api_keys
            WHERE hash = $1 AND (expires_at IS NULL OR expires_at > now())",
        )
        .bind(hash.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        let found = found.map(|(id, scopes)| {
            let term = Term::WhileThere(hash);
            Found { id, scopes, user: None, term }
        });
        let mut lately = lately();
        if lately.len() >= MOST {
            lately.clear();
        }
        lately.insert(hash, (Instant::now(), found.clone()));
        Ok(found)
    }
}

/// A key as it is listed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Key {
    pub(crate) id: String,
    /// `read`, `write`.
    pub(crate) scopes: Vec<String>,
    /// When it was made, in milliseconds since 1970.
    pub(crate) created_at_ms: i64,
}

pub(crate) async fn all(pool: &PgPool) -> Result<Vec<Key>, Error> {
    let rows: Vec<(String, Vec<String>, i64)> =
        sqlx::query_as("SELECT id, scopes, relay.ms(created_at) FROM relay.api_keys ORDER BY id")
            .fetch_all(pool)
            .await
            .map_err(Error::query("list its keys"))?;
    let key = |(id, scopes, created_at_ms)| Key { id, scopes, created_at_ms };
    Ok(rows.into_iter().map(key).collect())
}

/// Makes one; it is shown once and kept nowhere.
pub(crate) async fn add(pool: &PgPool, id: &str, scopes: &[String]) -> Result<Secret, Error> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if id.is_empty() || id.len() > 64 || !id.chars().all(letter) {
        return Err(Error::KeyName(id.to_owned()));
    }
    let key = format!("{MARK}{}", Secret::generate(&mut rng()).expose());
    let made = sqlx::query(
        "INSERT INTO relay.api_keys (id, hash, scopes) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(hash(&key).as_slice())
    .bind(scopes)
    .execute(pool)
    .await
    .map_err(Error::query("keep the key"))?;
    if made.rows_affected() == 0 {
        Err(Error::KeyTaken(id.to_owned()))
    } else {
        Ok(Secret::new(key))
    }
}

/// Whether there was one.
pub(crate) async fn remove(pool: &PgPool, id: &str) -> Result<bool, Error> {
    let gone = sqlx::query("DELETE FROM relay.api_keys WHERE id = $1").bind(id).execute(pool).await;
    Ok(gone.map_err(Error::query("take the key away"))?.rows_affected() > 0)
}
