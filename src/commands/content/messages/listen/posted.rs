//! Events posted to an address of HTTP, signed as [Standard Webhooks] has it: the receiver has a library for
//! that in its language. What it will never take is kept in a file beside the cursor.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use reqwest::{Client, StatusCode, Url, header};
use serde::Serialize;
use sha2::Sha256;
use tokio::{
    sync::mpsc::Sender,
    time::{Instant, sleep},
};

use super::heard::{Answer, Heard, Told};
use crate::{
    clock::{self, Backoff},
    context::Context,
    data_dir::DataDir,
    error::Failure,
    files, matrix,
    secret::Secret,
};

/// What a key begins with.
const MARK: &str = "whsec_";
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long what is answered with a fault of the receiver's is tried again.
const FAULTY: Duration = Duration::from_hours(1);
/// Between two tries.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// No receiver keeps its room waiting for longer by what it says.
const LONGEST_WISH: Duration = Duration::from_hours(1);

pub(super) struct Address {
    client: Client,
    url: Url,
    key: Vec<u8>,
    /// Where what was refused is kept.
    refused: PathBuf,
    /// Whether it is known to be away.
    is_away: AtomicBool,
}

/// A line of that file.
#[derive(Serialize)]
struct Refused<'a> {
    /// The status of HTTP.
    status: u16,
    /// In milliseconds since 1970.
    at_ms: i64,
    event: &'a Heard,
}

/// How one try went.
enum Went {
    /// Taken, or refused for good.
    Done(StatusCode),
    /// The receiver has a fault.
    Faulty(StatusCode),
    /// It is not there, for this reason, or wants to be left alone for so long.
    Away(String, Option<Duration>),
}

impl Address {
    /// Refuses an address or a key that is none; a key is made where there is none yet.
    pub(super) fn new(
        url: &str,
        key: Option<&Path>,
        cursor: &Path,
        context: &Context,
    ) -> Result<Self, Failure> {
        // What is wrong with it is not shown: it may have a password in it.
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = parsed.ok_or_else(|| {
            Failure::request("`--webhook` is no address of HTTP")
                .hinted("name one such as `https://example.org/matrix`")
        })?;
        let key = match key {
            Some(path) => Secret::read(path)?,
            None => own_key(&context.data()?, context)?,
        };
        let key = decoded(&key).ok_or_else(|| {
            Failure::request("`--key-file` holds no key").hinted(format!(
                "it is `{MARK}` and 24 to 64 bytes in base64; without the option one is made and used"
            ))
        })?;
        let mut refused = cursor.as_os_str().to_owned();
        refused.push(".refused.jsonl");
        Ok(Self {
            client: matrix::client::plain(PATIENCE)?,
            url,
            key,
            refused: refused.into(),
            is_away: AtomicBool::new(false),
        })
    }

    /// What it answered at last. It is asked again as long as it is away.
    pub(super) async fn until_done(&self, event: &Heard, told: &Sender<Told>) -> Answer {
        let (mut backoff, begin) = (Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), Instant::now());
        let body = serde_json::to_string(event).unwrap_or_default();
        loop {
            let (ended, wish, why) = match self.post(&event.event_id, body.clone()).await {
                Went::Done(status) => (Some(status), None, None),
                Went::Faulty(status) => {
                    let why = format!("it answers {}", status.as_u16());
                    ((begin.elapsed() > FAULTY).then_some(status), None, Some(why))
                }
                Went::Away(why, wish) => (None, wish, Some(why)),
            };
            if self.is_away.swap(why.is_some(), Ordering::Relaxed) != why.is_some() {
                // Nobody who listens is told nothing.
                drop(told.send(why.map_or(Told::Back, Told::Away)).await);
            }
            match ended.map(|status| self.done(event, status)) {
                Some(Ok(answer)) => return answer,
                // Nothing is let go that is not kept.
                Some(Err(error)) => tracing::warn!("an event is posted again: {error}"),
                None => {}
            }
            let pause = backoff.pause();
            sleep(wish.map_or(pause, |wish| wish.min(LONGEST_WISH).max(pause))).await;
        }
    }

    async fn post(&self, id: &str, body: String) -> Went {
        let moment = clock::now().as_second().to_string();
        let signature = format!("v1,{}", self.signature(id, &moment, &body));
        let request = self.client.post(self.url.clone()).body(body).headers(
            [
                (header::CONTENT_TYPE.as_str(), "application/json"),
                ("webhook-id", id),
                ("webhook-timestamp", &moment),
                ("webhook-signature", &signature),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
            .collect(),
        );
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => {
                return Went::Away("no answer in time".into(), None);
            }
            Err(_) => return Went::Away("it cannot be reached".into(), None),
        };
        let status = answer.status();
        match status.as_u16() {
            408 | 425 | 429 | 502..=504 => {
                let wish = answer.headers().get(header::RETRY_AFTER);
                let seconds = wish.and_then(|wish| wish.to_str().ok()?.trim().parse().ok());
                Went::Away(
                    format!("it answers {}", status.as_u16()),
                    seconds.map(Duration::from_secs),
                )
            }
            500.. => Went::Faulty(status),
            _ => Went::Done(status),
        }
    }

    fn signature(&self, id: &str, moment: &str, body: &str) -> String {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        for part in [id, ".", moment, ".", body] {
            mac.update(part.as_bytes());
        }
        BASE64_STANDARD.encode(mac.finalize().into_bytes())
    }

    /// What was refused is in its file before anybody notes that it is done with.
    fn done(&self, event: &Heard, status: StatusCode) -> Result<Answer, files::Error> {
        let mut answer = Answer { status: status.as_u16(), kept: None };
        if status.is_success() {
            return Ok(answer);
        }
        let line = Refused { status: answer.status, at_ms: clock::now().as_millisecond(), event };
        let line = serde_json::to_string(&line).unwrap_or_default() + "\n";
        files::append(&self.refused)
            .and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_data()))
            .map_err(files::Error::io("write", &self.refused))?;
        answer.kept = Some(self.refused.display().to_string());
        Ok(answer)
    }
}

/// The key of this server's listeners, made by the first of them.
fn own_key(data: &DataDir, context: &Context) -> Result<Secret, Failure> {
    let path = data.secret("listen.key");
    let make = || {
        context.say(format!("the key that its events are signed with is in `{}`", path.display()));
        let bytes: [u8; 32] = rand::rng().random();
        Secret::new(format!("{MARK}{}", BASE64_STANDARD.encode(bytes)))
    };
    Ok(Secret::read_or_make(&path, make)?)
}

fn decoded(key: &Secret) -> Option<Vec<u8>> {
    let bytes = BASE64_STANDARD.decode(key.expose().trim().strip_prefix(MARK)?).ok()?;
    (24..=64).contains(&bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(key: &str) -> Address {
        Address {
            client: matrix::client::plain(PATIENCE).unwrap(),
            url: Url::parse("http://localhost/").unwrap(),
            key: decoded(&Secret::new(key)).unwrap(),
            refused: PathBuf::new(),
            is_away: AtomicBool::new(false),
        }
    }

    #[test]
    fn an_event_is_signed_as_the_libraries_of_receivers_expect_it() {
        // The example of the specification's libraries.
        let address = address("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = address.signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_is_what_the_specification_says() {
        for bad in ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all, is it?"] {
            assert!(decoded(&Secret::new(bad)).is_none(), "{bad}");
        }
    }
}
