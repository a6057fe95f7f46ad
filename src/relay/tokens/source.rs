//! From where the keys of tokens come, and how long those that came are kept: an issuer that cannot be reached ends
//! nothing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::jwk::{self, Key};
use crate::{
    config::sections::relay::JwtKeys,
    files,
    matrix::{self, client, error::reason},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is read.
const LARGEST: usize = 1 << 20;

/// When they are asked for again.
#[derive(Clone, Copy)]
struct Pace {
    /// So long they are not.
    fresh: Duration,
    /// The least between two times, whoever comes with a key that is not known.
    again: Duration,
    /// The same where there are none yet.
    first: Duration,
}

const PACE: Pace = Pace {
    fresh: Duration::from_mins(5),
    again: Duration::from_secs(30),
    first: Duration::from_secs(2),
};

type Keys = Arc<Vec<Key>>;

#[derive(Default)]
struct Held {
    keys: Option<(Instant, Keys)>,
    /// When they were last asked for, with or without success.
    asked: Option<Instant>,
}

pub(super) struct Source {
    at: JwtKeys,
    http: reqwest::Client,
    pace: Pace,
    held: Mutex<Held>,
    /// Whoever asks; others wait for it.
    asking: tokio::sync::Mutex<()>,
}

/// Why there are no new ones.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    File(#[from] files::Error),
    #[error("the address does not answer: {}", reason(.0))]
    Http(#[from] reqwest::Error),
    #[error("the address answers {0}")]
    Status(http::StatusCode),
    #[error("there are more than {LARGEST} bytes")]
    Large,
    #[error("this is no set of keys")]
    Json(#[from] serde_json::Error),
}

impl Source {
    pub(super) fn of(at: JwtKeys) -> Result<Arc<Self>, matrix::Error> {
        Self::with(at, PACE)
    }

    fn with(at: JwtKeys, pace: Pace) -> Result<Arc<Self>, matrix::Error> {
        let http = client::plain(PATIENCE)?;
        let (held, asking) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Arc::new(Self { at, http, pace, held, asking }))
    }

    /// What a token may be signed with that names this key; none where they never came.
    pub(super) async fn keys(self: &Arc<Self>, named: Option<&str>) -> Option<Keys> {
        let Some((came, keys)) = self.there() else {
            self.ask().await;
            return Some(self.there()?.1);
        };
        if named.is_some_and(|id| !keys.iter().any(|key| key.is(id))) {
            self.ask().await;
            return Some(self.there()?.1);
        }
        if came.elapsed() >= self.pace.fresh && self.may_ask() {
            // Nobody waits for it.
            let own = Arc::clone(self);
            tokio::spawn(async move { own.ask().await });
        }
        Some(keys)
    }

    fn there(&self) -> Option<(Instant, Keys)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    fn may_ask(&self) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = if held.keys.is_some() { self.pace.again } else { self.pace.first };
        held.asked.is_none_or(|asked| asked.elapsed() >= pause)
    }

    async fn ask(&self) {
        let _one = self.asking.lock().await;
        if !self.may_ask() {
            return;
        }
        self.held.lock().unwrap_or_else(PoisonError::into_inner).asked = Some(Instant::now());
        match self.read().await {
            Ok(keys) => {
                if keys.is_empty() {
                    tracing::warn!("`relay.jwt_keys` has no key of RS256, ES256 or EdDSA");
                }
                let keys = Some((Instant::now(), Arc::new(keys)));
                self.held.lock().unwrap_or_else(PoisonError::into_inner).keys = keys;
            }
            Err(error) => tracing::warn!("`relay.jwt_keys` cannot be read: {error}"),
        }
    }

    async fn read(&self) -> Result<Vec<Key>, Unread> {
        let text = match &self.at {
            JwtKeys::File(path) => files::read(path)?.into_bytes(),
            JwtKeys::Address(address) => self.fetched(&address.0).await?,
        };
        Ok(jwk::all(&text)?)
    }

    async fn fetched(&self, address: &str) -> Result<Vec<u8>, Unread> {
        let mut answer = self.http.get(address).send().await?;
        if answer.status() != http::StatusCode::OK {
            return Err(Unread::Status(answer.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            text.extend_from_slice(&chunk);
            if text.len() > LARGEST {
                return Err(Unread::Large);
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{Router, extract::State, routing::get};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{config::values::shape::HttpUrl, listener, relay::tokens::jwk::tests::Pair};

    /// What an issuer publishes, and how often it was asked.
    type Issuer = Arc<(Mutex<String>, AtomicUsize)>;

    async fn issuer() -> (Issuer, JwtKeys) {
        let issuer = Issuer::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/keys", listener.local_addr().unwrap());
        let answer = |State(issuer): State<Issuer>| async move {
            issuer.1.fetch_add(1, Ordering::Relaxed);
            issuer.0.lock().unwrap().clone()
        };
        let router = Router::new().route("/keys", get(answer)).with_state(Arc::clone(&issuer));
        tokio::spawn(async move { listener::serve(&listener, 8, router).await });
        (issuer, JwtKeys::Address(HttpUrl(address)))
    }

    fn publish(issuer: &Issuer, id: &str) {
        let keys = json!({ "keys": [Pair::ed25519().published(Some(id))] });
        *issuer.0.lock().unwrap() = keys.to_string();
    }

    async fn has(source: &Arc<Source>, id: &str) -> Option<bool> {
        Some(source.keys(Some(id)).await?.iter().any(|key| key.is(id)))
    }

    #[tokio::test]
    async fn keys_are_asked_for_at_need_and_an_unknown_one_asks_again_only_so_often() {
        let (issuer, at) = issuer().await;
        let again = Duration::from_millis(300);
        let pace = Pace { fresh: Duration::from_mins(5), again, first: Duration::ZERO };
        let source = Source::with(at, pace).unwrap();
        // What is no set of keys leaves none.
        assert_eq!(has(&source, "one").await, None);
        publish(&issuer, "one");
        assert_eq!(has(&source, "one").await, Some(true));
        publish(&issuer, "two");
        for _ in 0..5 {
            assert_eq!(has(&source, "two").await, Some(false));
        }
        assert_eq!(issuer.1.load(Ordering::Relaxed), 2);
        tokio::time::sleep(again).await;
        assert_eq!(has(&source, "two").await, Some(true));
        assert_eq!(has(&source, "one").await, Some(false));
        assert_eq!(issuer.1.load(Ordering::Relaxed), 3);
        // What does not answer as it should takes nothing away.
        *issuer.0.lock().unwrap() = "down".to_owned();
        tokio::time::sleep(again).await;
        assert_eq!(has(&source, "three").await, Some(false));
        assert_eq!(has(&source, "two").await, Some(true));
    }

    #[tokio::test]
    async fn old_keys_count_while_new_ones_are_asked_for() {
        let (issuer, at) = issuer().await;
        let pace = Pace { fresh: Duration::ZERO, again: Duration::ZERO, first: Duration::ZERO };
        let source = Source::with(at, pace).unwrap();
        publish(&issuer, "one");
        assert_eq!(has(&source, "one").await, Some(true));
        publish(&issuer, "two");
        assert_eq!(has(&source, "one").await, Some(true));
        for _ in 0..100 {
            if source.there().unwrap().1[0].is("two") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the new keys have not come");
    }

    #[tokio::test]
    async fn a_file_holds_them_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let keys = json!({ "keys": [Pair::ed25519().published(Some("one"))] });
        files::write_atomically(&path, keys.to_string().as_bytes(), files::PRIVATE).unwrap();
        let source = Source::of(JwtKeys::File(path)).unwrap();
        assert_eq!(has(&source, "one").await, Some(true));
    }
}
