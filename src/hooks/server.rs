//! The door: who may come in, how much, and what is said to whom. Whatever is refused is refused before
//! its body is read, where that is possible.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, sync::oneshot, task::LocalSet, time::sleep};

use super::{
    Error,
    formats::{Events, Format},
    message::{self, Call, Flaw},
    refused::Refused,
    registry::{self, Hook},
    signature::Signature,
};
use crate::{
    config::{Config, sections::hooks::Hooks},
    data_dir::DataDir,
    files,
    listener::{
        self,
        rate::Rates,
        request::{self, Unread},
    },
    matrix::{new_room, thread::Place},
    outbox::{
        self, Job, Room, Unaccepted,
        entry::{Draft, What},
    },
    process,
};

/// Connections at once; who comes after waits for one of them to end.
const CONNECTIONS: usize = 256;
/// When a client may come again for whom there was no place.
const LATER: Duration = Duration::from_secs(5);
/// Between two looks whether what could not be written has a place now.
const CATCH_UP: Duration = Duration::from_secs(5);
/// The longest key of a request.
const LONGEST_KEY: usize = 255;

struct Shared {
    data: DataDir,
    set: Hooks,
    rates: Rates,
    room: Arc<Room>,
    journal: Sender<Job>,
    refused: Refused,
}

impl Shared {
    fn note(&self, id: &str, refusal: &Refusal) {
        let is_there = registry::is_there(&self.data, id);
        self.refused.note(id, is_there, refusal.status.as_u16(), &refusal.error);
    }
}

/// Takes requests and sends messages until the process is ended.
pub(crate) async fn run(config: &Config) -> Result<(), Error> {
    let (data, set) = (config.data.clone(), config.hooks.clone());
    files::private_folder(&data.run())?;
    let _lock = process::Lock::try_acquire(&outbox::service_lock(&data), "daemon hooks")?;
    let address = SocketAddr::from((set.address, set.port.0));
    let socket = TcpListener::bind(address).await;
    let socket = socket.map_err(|source| Error::Listen(address, source))?;
    let room = Room::new(set.queue.0);
    let local = LocalSet::new();
    let encrypt = new_room::wanted(config);
    let journal = local.run_until(async { outbox::start(&data, &room, encrypt) }).await?;
    let (rates, refused) = (Rates::default(), Refused::of(&data));
    let shared = Arc::new(Shared { data, set, rates, room, journal, refused });
    let counted = Arc::clone(&shared);
    local.spawn_local(async move {
        loop {
            sleep(CATCH_UP).await;
            counted.refused.catch_up();
        }
    });
    local.run_until(listener::serve(&socket, CONNECTIONS, router(shared))).await;
    Ok(())
}

fn router(shared: Arc<Shared>) -> Router {
    let nothing = || async {
        Refusal::new(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "there is nothing at this address")
    };
    Router::new()
        .route("/health", get(health))
        .route("/hook/{id}", post(accept).fallback(only_post))
        .fallback(nothing)
        .with_state(shared)
}

async fn only_post(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let refusal = Refusal::new(status, "M_UNRECOGNIZED", "a webhook takes only POST");
    let id = id.map(|Path(id)| id).unwrap_or_default();
    shared.note(&id, &refusal);
    let mut answer = refusal.into_response();
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    answer
}

/// Whether it could accept something now.
async fn health(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let folder = shared.data.outbox();
    match files::can_grow(&folder) {
        Ok(()) => (StatusCode::OK, "OK".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, disk(&error)),
    }
}

/// What is wrong with the disk, for whoever calls from outside: which folder it is does not concern them.
fn disk(error: &files::Error) -> String {
    let why = if error.is_full_disk() { "full" } else { "not written" };
    format!("the disk of the server is {why}")
}

/// What a client is told that gets no message through.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    errcode: &'static str,
    error: String,
    /// When it may come again.
    wait: Option<Duration>,
}

impl Refusal {
    fn new(status: StatusCode, errcode: &'static str, error: impl Into<String>) -> Self {
        Self { status, errcode, error: error.into(), wait: None }
    }

    fn later(self, wait: Duration) -> Self {
        Self { wait: Some(wait), ..self }
    }

    /// The same, said to a sender that may take a 429 for the end of it.
    fn heard_by(self, gives_up_when_limited: bool) -> Self {
        if gives_up_when_limited {
            Self { status: StatusCode::SERVICE_UNAVAILABLE, ..self }
        } else {
            self
        }
    }
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({ "errcode": self.errcode, "error": self.error });
        if let Some(wait) = self.wait {
            body["retry_after_ms"] = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).into();
        }
        let mut response = answer(self.status, &body);
        let headers = response.headers_mut();
        if let Some(wait) = self.wait {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // What is left of the body is not waited for.
        if matches!(self.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

async fn accept(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    // What is no text is no name either.
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let taken = take(&shared, &id, request).await;
    if let Err(refusal) = &taken {
        shared.note(&id, refusal);
    }
    taken
}

async fn take(shared: &Shared, id: &str, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let hook = known(&shared.data, id)?;
    let signed = hook
        .secret
        .as_ref()
        .and_then(|secret| Signature::of(&head.headers).map(|signature| (signature, secret)));
    if signed.is_none() {
        admit(&hook, token(&head.headers, head.uri.query()))?;
    }
    let key = key(&head.headers)?;
    let largest = usize::try_from(shared.set.largest_body.0).unwrap_or(usize::MAX);
    request::announced(&head.headers, largest)?;
    let word = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let events = Events { github: word("x-github-event"), gitlab: word("x-gitlab-event") };
    let kind = word("content-type").unwrap_or_default();
    let limited = |refusal: Refusal, body: &[u8]| {
        // It does so in the format of Slack too.
        let alerts = word("user-agent").is_some_and(|name| name.starts_with("Alertmanager/"));
        let format = message::format(Call { kind, events, body }, hook.format);
        refusal.heard_by(alerts || format.gives_up_when_limited())
    };
    let over = if signed.is_none() { within_its_rate(shared, &hook).err() } else { None };
    if let Some(refusal) = over {
        // Only its body may say how that is best said.
        let body = if hook.format == Format::Auto {
            request::read(body, largest).await?
        } else {
            Bytes::new()
        };
        return Err(limited(refusal, &body));
    }
    let body = request::read(body, largest).await?;
    if let Some((signature, secret)) = signed {
        if !signature.is_of(secret, &body, outbox::now() / 1000) {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "M_UNKNOWN_TOKEN",
                format!("the signature is not made with the secret of the webhook `{id}`"),
            ));
        }
        // Not before it is known who calls: a stranger must not use up what is another's.
        within_its_rate(shared, &hook).map_err(|refusal| limited(refusal, &body))?;
    }
    let call = Call { kind, events, body: &body };
    let read = message::read(call, hook.format, hook.template.as_ref()).map_err(|flaw| {
        let (status, errcode, error) = match flaw {
            Flaw::NotJson(error) => (StatusCode::BAD_REQUEST, "M_NOT_JSON", error),
            Flaw::Bad(error) => (StatusCode::BAD_REQUEST, "M_BAD_JSON", error),
            Flaw::TooLarge(error) => (StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", error),
            Flaw::Template(error) => (StatusCode::UNPROCESSABLE_ENTITY, "M_UNKNOWN", error),
        };
        Refusal::new(status, errcode, error)
    })?;
    let Some(content) = read.content else {
        return Ok(answer(StatusCode::OK, &json!({ "message": null })));
    };
    let said = key.is_some().then(|| HEXLOWER.encode(&Sha256::digest(&body)[..16]));
    drop(body);
    let what = What::Content(content);
    let Some(place) = shared.room.place(&what, false) else {
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "M_LIMIT_EXCEEDED",
            "too much waits to be sent already",
        )
        .later(LATER));
    };
    let Hook { id: hook, user_id: user, room_id: room, .. } = hook;
    let draft = Box::new(Draft {
        hook: Some(hook),
        user,
        room: room.into(),
        what,
        place: Place::default(),
        transaction: None,
        key,
        body: said,
        waited: false,
        at: outbox::now(),
    });
    let (sender, receiver) = oneshot::channel();
    let gone = || {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", "the journal is not written")
            .later(LATER)
    };
    shared.journal.send(Job::Accept { draft, place, answer: sender }).map_err(|_| gone())?;
    match receiver.await {
        // Its senders take whatever else for a failure and send again.
        Ok(Ok(_)) if read.format == Format::Slack => {
            Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "ok").into_response())
        }
        Ok(Ok(id)) => Ok(answer(StatusCode::ACCEPTED, &json!({ "id": id }))),
        Ok(Err(Unaccepted::OtherBody)) => Err(Refusal::new(
            StatusCode::CONFLICT,
            "M_INVALID_PARAM",
            "another request had the same `Idempotency-Key` and said something else; that one is kept",
        )),
        Ok(Err(Unaccepted::Disk(error))) => {
            let status = if error.is_full_disk() {
                StatusCode::INSUFFICIENT_STORAGE
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            tracing::error!("nothing was accepted: {error}");
            let error = format!("nothing was accepted: {}", disk(&error));
            Err(Refusal::new(status, "M_UNKNOWN", error).later(LATER))
        }
        Err(_) => Err(gone()),
    }
}

fn admit(hook: &Hook, token: Option<&str>) -> Result<(), Refusal> {
    let (errcode, error) = match token {
        Some(token) if hook.admits(token) => return Ok(()),
        Some(_) => {
            ("M_UNKNOWN_TOKEN", format!("this is not the token of the webhook `{}`", hook.id))
        }
        None => (
            "M_MISSING_TOKEN",
            "the token of the webhook is missing: send `Authorization: Bearer TOKEN`".to_owned(),
        ),
    };
    Err(Refusal::new(StatusCode::UNAUTHORIZED, errcode, error))
}

fn known(data: &DataDir, id: &str) -> Result<Hook, Refusal> {
    match registry::find(data, id) {
        Ok(Some(hook)) => Ok(hook),
        Ok(None) => {
            Err(Refusal::new(StatusCode::NOT_FOUND, "M_NOT_FOUND", "there is no such webhook"))
        }
        Err(error) => {
            tracing::warn!("the webhook `{id}` cannot be read: {error}");
            let error = "the webhook cannot be read at the moment";
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", error).later(LATER))
        }
    }
}

/// The token of the header, or where a sender can only be given an address `?token=` of that.
fn token<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<&'a str> {
    if headers.contains_key(header::AUTHORIZATION) {
        return request::token(headers);
    }
    query?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// What makes a repeat of the request harmless, as a hash.
fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let named = ["idempotency-key", "x-idempotency-key"];
    let Some(value) = named.iter().find_map(|name| headers.get(*name)) else { return Ok(None) };
    match value.to_str() {
        Ok(text) if !text.is_empty() && text.len() <= LONGEST_KEY => {
            let hash = Sha256::digest(text);
            Ok(Some(HEXLOWER.encode(&hash[..16])))
        }
        _ => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "M_INVALID_PARAM",
            format!("`Idempotency-Key` has 1 to {LONGEST_KEY} visible ASCII characters"),
        )),
    }
}

fn within_its_rate(shared: &Shared, hook: &Hook) -> Result<(), Refusal> {
    let (per_second, burst) = (shared.set.per_second, shared.set.burst);
    shared.rates.take(&hook.id, per_second, burst).map_err(|wait| {
        let error = format!(
            "too many messages: this webhook takes {burst} at once and {per_second} a second"
        );
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED", error).later(wait)
    })
}

impl From<Unread> for Refusal {
    fn from(why: Unread) -> Self {
        match why {
            Unread::TooLarge(_) => {
                let error = format!("{why} (`hooks.largest_body`)");
                Self::new(why.status(), "M_TOO_LARGE", error)
            }
            Unread::Cut | Unread::Late(_) => Self::new(why.status(), "M_UNKNOWN", why.to_string()),
        }
    }
}
