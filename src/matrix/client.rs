//! One way to send any request: with timeouts, waiting when the server asks to, repeating what is
//! harmless to repeat, and renewing a session that the server no longer knows.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderValue, Method, header};
use ruma::{
    OwnedUserId, ServerName, UserId,
    api::{
        IncomingResponseExt as _, MatrixVersion, OutgoingBody as _, OutgoingRequest,
        SupportedVersions,
        path_builder::{PathBuilder, SinglePath, VersionHistory},
    },
};

use super::{
    Error,
    api::{self, login_as},
    dendrite::{self, Asked, Wire},
    jwt,
    repeat::Repeat,
    running,
    session::{self, Session},
};
use crate::{
    clock::Backoff,
    data_dir::DataDir,
    files,
    output::{Talk, Waiting},
    process::Lock,
    secret::Secret,
    synapse::{sealing, workers},
};

const USER_AGENT: &str = concat!("resource-matrix-synapse/", env!("CARGO_PKG_VERSION"));
const CONNECT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes: more than any list, less than what fills the memory.
const LARGEST_ANSWER: usize = 64 << 20;
/// The longest path and query of a request: the homeserver takes a line of 16,384 bytes, and cuts the
/// connection at a longer one.
const LONGEST_ADDRESS: usize = 16_000;
/// How often we look again at a server that nobody brings back.
const REFUSALS: u32 = 3;
/// How often an endpoint of a person's choice may fail in the same words before that is its answer.
const STUMBLES: u32 = 3;

/// Finds an endpoint's path: by Matrix version, or the only one.
pub(crate) trait Versioned: PathBuilder {
    fn input() -> Self::Input<'static>;
}

impl Versioned for SinglePath {
    fn input() {}
}

impl Versioned for VersionHistory {
    fn input() -> Cow<'static, SupportedVersions> {
        // Every Synapse that we install speaks this.
        Cow::Owned(SupportedVersions {
            versions: [MatrixVersion::V1_11].into(),
            features: std::collections::BTreeSet::new(),
        })
    }
}

/// Talks to one server as one user, until a deadline. A clone talks over the same connections with the
/// same session, which any number of tasks may do at once.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    connection: Arc<Connection>,
    timeout: Duration,
    deadline: Instant,
    only_verified: bool,
    /// Whether nothing was ever sent with the transaction ids that it is given.
    new_ids: bool,
    ghost: Option<Arc<Ghost>>,
}

/// A user of an application service, whom it acts as ([spec]); with a device of theirs, for which the homeserver
/// keeps transaction ids for a day. Without one it has them in memory only.
///
/// [spec]: https://spec.matrix.org/latest/application-service-api/#identity-assertion
#[derive(Debug)]
struct Ghost {
    user: OwnedUserId,
    device: Option<&'static str>,
}

impl Ghost {
    /// The same address for them.
    fn address(&self, uri: &http::Uri) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("user_id", self.user.as_str());
        if let Some(device) = self.device {
            query.append_pair("device_id", device);
        }
        let sign = if uri.query().is_some() { '&' } else { '?' };
        format!("{uri}{sign}{}", query.finish())
    }
}

#[derive(Debug)]
struct Connection {
    http: reqwest::Client,
    /// As it was at first; `token` is the one of now.
    session: Session,
    token: RwLock<Secret>,
    /// Where the session is kept and the key that renews it; None while there is no session yet.
    home: Option<(DataDir, PathBuf)>,
    /// Where a person may see what is waited for.
    talk: OnceLock<Arc<Talk>>,
}

type Answer = (reqwest::Response, Vec<u8>);
/// An answer with its body.
type Whole = (http::response::Parts, Vec<u8>);

/// What becomes of the body of an answer.
#[derive(Clone, Copy, PartialEq)]
enum Body {
    /// It is read, within the time.
    Read,
    /// Whoever asked reads it: [`Client::piece`].
    Left,
}

impl Client {
    /// A client that acts with a session; it renews it with the key in `data`, into `file`.
    pub(crate) fn new(
        session: Session,
        home: Option<(DataDir, PathBuf)>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        Self::built(builder()?, session, home, timeout)
    }

    /// The same to a process of the homeserver that may listen on a socket.
    pub(super) fn through(
        socket: Option<PathBuf>,
        session: Session,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let builder = builder()?;
        let builder = match socket {
            Some(socket) => builder.unix_socket(socket),
            None => builder,
        };
        Self::built(builder, session, None, timeout)
    }

    fn built(
        builder: reqwest::ClientBuilder,
        session: Session,
        home: Option<(DataDir, PathBuf)>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let mut builder = builder.connect_timeout(CONNECT.min(timeout));
        // The server is ours and usually on this machine; a proxy of the environment is for others.
        if session.url.starts_with("http://") {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|source| Error::Tls(source.into()))?;
        let token = RwLock::new(session.access_token.clone());
        let connection = Arc::new(Connection { http, session, token, home, talk: OnceLock::new() });
        let deadline = Instant::now() + timeout;
        Ok(Self {
            connection,
            timeout,
            deadline,
            only_verified: false,
            new_ids: false,
            ghost: None,
        })
    }

    /// The same with its whole time before it, as each message of many has it.
    pub(crate) fn afresh(&self) -> Self {
        Self { deadline: Instant::now() + self.timeout, ..self.clone() }
    }

    /// The same, and what it sends goes only to people who are verified.
    #[must_use]
    pub(crate) fn verified_only(self, only_verified: bool) -> Self {
        Self { only_verified, ..self }
    }

    /// The same for transaction ids that were just made: no server can have seen them.
    #[must_use]
    pub(crate) fn with_new_ids(self, new_ids: bool) -> Self {
        Self { new_ids, ..self }
    }

    pub(super) fn has_new_ids(&self) -> bool {
        self.new_ids
    }

    /// The same as a user of the application service whose token it has.
    #[must_use]
    pub(crate) fn as_ghost(&self, user: OwnedUserId, device: Option<&'static str>) -> Self {
        Self { ghost: Some(Arc::new(Ghost { user, device })), ..self.afresh() }
    }

    pub(super) fn is_to_verified(&self) -> bool {
        self.only_verified
    }

    /// Something that whoever asked should know although it worked.
    pub(crate) fn warn(&self, sentence: String) {
        if let Some(talk) = self.connection.talk.get() {
            talk.warn(sentence);
        }
    }

    /// Shows a person at a terminal what it waits for.
    #[must_use]
    pub(crate) fn seen(self, talk: &Arc<Talk>) -> Self {
        drop(self.connection.talk.set(Arc::clone(talk)));
        self
    }

    /// Shows why the request is not answered yet.
    fn waits(&self, shown: &mut Option<Waiting>, why: &Error) {
        let Some(talk) = self.connection.talk.get() else { return };
        let text = format!("waiting: {why}");
        match shown {
            Some(shown) => shown.now(text),
            None => *shown = Some(talk.waiting(text)),
        }
    }

    /// As it is now: the token may have been renewed.
    pub(crate) fn session(&self) -> Session {
        Session { access_token: self.token(), ..self.connection.session.clone() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.connection.session.url
    }

    pub(crate) fn server_name(&self) -> &ServerName {
        &self.connection.session.server_name
    }

    /// Whom it acts as.
    pub(crate) fn user_id(&self) -> &UserId {
        self.ghost.as_ref().map_or(&self.connection.session.user_id, |ghost| &ghost.user)
    }

    /// The same with another token, which is not renewed.
    fn with_token(&self, token: Secret) -> Self {
        let Connection { http, session, .. } = &*self.connection;
        let session = Session { access_token: token.clone(), ..session.clone() };
        let (http, token) = (http.clone(), RwLock::new(token));
        let connection = Connection { http, session, token, home: None, talk: OnceLock::new() };
        Self { connection: Arc::new(connection), ..self.clone() }
    }

    fn token(&self) -> Secret {
        self.connection.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn home(&self) -> Option<&(DataDir, PathBuf)> {
        self.connection.home.as_ref()
    }

    async fn comes_back(&self) -> bool {
        match self.home() {
            Some((data, _)) => running::comes_back(data).await,
            None => false,
        }
    }

    /// Since when the process of the server runs, where that is known.
    pub(super) async fn up_since(&self) -> Option<SystemTime> {
        running::up_since(self.data()?).await
    }

    /// The data folder of the homeserver that it talks to.
    pub(crate) fn data(&self) -> Option<&DataDir> {
        self.home().map(|(data, _)| data)
    }

    /// How much of the time is left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Sends one request of ruma or of [`super::admin`].
    pub(crate) async fn send<R>(&self, request: R) -> Result<R::IncomingResponse, Error>
    where
        R: OutgoingRequest + Repeat,
        R::PathBuilder: Versioned,
    {
        self.send_again(request, R::REPEATABLE).await
    }

    /// The same, and it is not sent again: where its answer was lost, that is [`Error::Unknown`].
    pub(super) async fn send_once<R>(&self, request: R) -> Result<R::IncomingResponse, Error>
    where
        R: OutgoingRequest,
        R::PathBuilder: Versioned,
    {
        self.send_again(request, false).await
    }

    async fn send_again<R>(
        &self,
        request: R,
        repeatable: bool,
    ) -> Result<R::IncomingResponse, Error>
    where
        R: OutgoingRequest,
        R::PathBuilder: Versioned,
    {
        let wire = self.wire(request)?;
        let path = wire.uri().path().to_owned();
        let (parts, body) = self.answer(wire, repeatable).await?;
        R::IncomingResponse::try_from_http_response(http::Response::from_parts(parts, &body[..]))
            .map_err(|source| Error::Answer { what: path, source: source.to_string().into() })
    }

    /// The answer of the server, or what it means where that is Dendrite.
    async fn answer(&self, wire: Wire, repeatable: bool) -> Result<Whole, Error> {
        if self.is_dendrite() {
            return Box::pin(self.answer_of_dendrite(wire, repeatable)).await;
        }
        self.whole_answer(wire, repeatable).await
    }

    async fn whole_answer(&self, wire: Wire, repeatable: bool) -> Result<Whole, Error> {
        let (answer, body) = self.exchange(wire, repeatable, u32::MAX, Body::Read).await?;
        Ok((parts_of(&answer), body))
    }

    async fn answer_of_dendrite(&self, wire: Wire, repeatable: bool) -> Result<Whole, Error> {
        let not_offered = dendrite::not_offered(&wire);
        let known = match dendrite::asked(wire, self.server_name().as_str())? {
            Asked::Same(wire) => {
                return match self.whole_answer(wire, repeatable).await {
                    Err(error) if error.is("M_UNRECOGNIZED") => Err(not_offered),
                    Err(error) if dendrite::is_of_new_room(&error) => {
                        Err(Error::NotOffered("a room of version 12".to_owned()))
                    }
                    answer => answer,
                };
            }
            Asked::Others { requests, read, named } => {
                let mut last = Vec::new();
                for wire in requests {
                    last = self.whole_answer(wire, repeatable).await?.1;
                }
                read(&serde_json::from_slice(&last).unwrap_or_default(), &named)
            }
            Asked::Known(known) => known,
        };
        let (parts, ()) = http::Response::new(()).into_parts();
        Ok((parts, known.to_string().into_bytes()))
    }

    /// Whether the server is Dendrite.
    pub(crate) fn is_dendrite(&self) -> bool {
        self.connection.session.dendrite
    }

    /// Sends a request whose answer is too large to be held: the body is read by [`Client::piece`], from this
    /// byte on where the server can begin there.
    pub(crate) async fn begin<R>(&self, request: R, from: u64) -> Result<reqwest::Response, Error>
    where
        R: OutgoingRequest + Repeat,
        R::PathBuilder: Versioned,
    {
        let mut wire = self.wire(request)?;
        if self.is_dendrite() {
            let not_offered = dendrite::not_offered(&wire);
            let Asked::Same(same) = dendrite::asked(wire, self.server_name().as_str())? else {
                return Err(not_offered);
            };
            wire = same;
        }
        if from > 0 {
            wire.headers_mut().insert(header::RANGE, range(from)?);
        }
        let left = self.exchange(wire, R::REPEATABLE, STUMBLES, Body::Left).await?;
        Ok(left.0)
    }

    /// What comes next of such an answer; nothing after its end. The server may be silent for as long as the
    /// whole time of this client.
    pub(crate) async fn piece(
        &self,
        answer: &mut reqwest::Response,
    ) -> Result<Option<Vec<u8>>, Error> {
        match tokio::time::timeout(self.timeout, answer.chunk()).await {
            Ok(Ok(piece)) => Ok(piece.map(|piece| piece.to_vec())),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(self.late()),
        }
    }

    /// How long it tries.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout
    }

    /// As it goes over the wire.
    fn wire<R>(&self, request: R) -> Result<Wire, Error>
    where
        R: OutgoingRequest,
        R::PathBuilder: Versioned,
    {
        let what = std::any::type_name::<R>();
        let bug = |source| unwritten(what, source);
        let (mut parts, body) = request
            .try_into_http_request_inner(self.url(), <R::PathBuilder as Versioned>::input())
            .map_err(|source| bug(source.into()))?
            .into_parts();
        if let Some(kind) = body.content_type()
            && !parts.headers.contains_key(header::CONTENT_TYPE)
        {
            parts.headers.insert(header::CONTENT_TYPE, kind);
        }
        let body: Vec<u8> = body.try_into_buf().map_err(|source| bug(source.into().into()))?;
        Ok(Wire::from_parts(parts, body))
    }

    /// Sends what a person wrote, which has no type: `content execute`. Only a POST cannot be repeated, by
    /// what HTTP says of the methods.
    pub(crate) async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, Error> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .body(body.map(|body| body.to_string().into_bytes()).unwrap_or_default())
            .map_err(|source| unwritten("raw", source.into()))?;
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        let repeatable = request.method() != Method::POST;
        let (_, bytes) = self.exchange(request, repeatable, STUMBLES, Body::Read).await?;
        if bytes.trim_ascii().is_empty() {
            // Some endpoints have nothing to say.
            return Ok(serde_json::json!({}));
        }
        serde_json::from_slice(&bytes)
            .map_err(|source| Error::Answer { what: path.to_owned(), source: source.into() })
    }

    /// Repeats until there is an answer that is not a passing one. A failure of the server that comes
    /// `stumbles` times in the same words is one.
    async fn exchange(
        &self,
        request: Wire,
        repeatable: bool,
        stumbles: u32,
        body: Body,
    ) -> Result<Answer, Error> {
        let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
        if address > LONGEST_ADDRESS {
            return Err(Error::LongAddress);
        }
        let changes = request.method() != Method::GET;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let (mut refusals, mut renewed, mut sent) = (0, false, false);
        let (mut last_words, mut times) = (String::new(), 0);
        let mut shown = None;
        loop {
            let token = self.token();
            let passing = match self.attempt(&request, &token, body).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match &passing {
                Error::Unreachable { .. } | Error::Down { .. } if !sent => {
                    refusals += 1;
                    if refusals > REFUSALS && !self.comes_back().await {
                        return Err(passing);
                    }
                }
                Error::Lost { .. } | Error::Unreachable { .. } | Error::Down { .. } => {
                    sent = true;
                    if !repeatable {
                        return Err(unknown(passing));
                    }
                }
                Error::Deadline { .. } | Error::Endless { .. } if changes => {
                    return Err(unknown(passing));
                }
                Error::Refused { status: 429, retry_after, .. } => {
                    let wait = retry_after.unwrap_or(backoff.peek());
                    // The server may name any number: never add it to a moment.
                    if wait >= self.left() {
                        return Err(Error::Limited { wait });
                    }
                    self.waits(&mut shown, &Error::Limited { wait });
                    tokio::time::sleep(wait).await;
                    continue;
                }
                Error::Refused { status: 500.., .. } if repeatable => {
                    let words = passing.to_string();
                    times = if words == last_words { times + 1 } else { 1 };
                    if times >= stumbles {
                        return Err(passing);
                    }
                    last_words = words;
                }
                Error::NotMatrix { status: 502..=504, .. } if repeatable => {}
                Error::Refused { errcode, .. }
                    if errcode == "M_UNKNOWN_TOKEN" && !renewed && self.home().is_some() =>
                {
                    renewed = true;
                    Box::pin(self.renew(token)).await?;
                    continue;
                }
                _ => return Err(passing),
            }
            if backoff.peek() >= self.left() {
                return Err(if sent && changes { unknown(passing) } else { passing });
            }
            self.waits(&mut shown, &passing);
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    fn address(&self, uri: &http::Uri) -> String {
        self.ghost.as_ref().map_or_else(|| uri.to_string(), |ghost| ghost.address(uri))
    }

    async fn attempt(&self, request: &Wire, token: &Secret, body: Body) -> Result<Answer, Error> {
        let url = self.url();
        if let Some((data, _)) = self.home() {
            running::require(data, url)?;
        }
        let mut headers = request.headers().clone();
        let token = token.expose();
        if !token.is_empty() {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|source| Error::Request("token", source.into()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let elsewhere = self.media_worker(request.uri().path()).await?;
        let mut asked = elsewhere
            .as_ref()
            .unwrap_or(&self.connection.http)
            .request(request.method().clone(), self.address(request.uri()))
            .headers(headers)
            .body(request.body().clone());
        if body == Body::Read {
            asked = asked.timeout(self.left().max(Duration::from_millis(1)));
        }
        let answer = tokio::time::timeout(self.left(), asked.send()).await;
        let mut answer = match answer {
            Ok(answer) => answer.map_err(|error| self.failed(error))?,
            Err(_) => return Err(self.late()),
        };
        if answer.status().is_success() && body == Body::Left {
            return Ok((answer, Vec::new()));
        }
        let bytes = self.whole(&mut answer).await?;
        if answer.status().is_success() {
            return Ok((answer, bytes));
        }
        Err(refusal(url.to_owned(), &parts_of(&answer), &bytes))
    }

    /// The body of an answer.
    async fn whole(&self, answer: &mut reqwest::Response) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failed(error))? {
            if bytes.len() + chunk.len() > LARGEST_ANSWER {
                let url = self.url().to_owned();
                return Err(Error::Endless { url, largest: LARGEST_ANSWER });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn failed(&self, error: reqwest::Error) -> Error {
        let url = self.url().to_owned();
        let source = error.without_url();
        if source.is_connect() {
            Error::Unreachable { url, source }
        } else if source.is_timeout() {
            self.late()
        } else {
            Error::Lost { url, source }
        }
    }

    /// That its time is over.
    pub(crate) fn late(&self) -> Error {
        Error::Deadline { url: self.url().to_owned(), waited: self.timeout }
    }

    /// Where a worker has the media, the main process knows nothing of them.
    async fn media_worker(&self, path: &str) -> Result<Option<reqwest::Client>, Error> {
        let is_media =
            path.starts_with("/_matrix/media/") || path.starts_with("/_matrix/client/v1/media/");
        let Some((data, _)) = self.home().filter(|_| is_media) else { return Ok(None) };
        let socket = workers::media_socket(data);
        // One that was killed leaves its socket behind.
        if tokio::net::UnixStream::connect(&socket).await.is_err() {
            return Ok(None);
        }
        let client = builder()?.no_proxy().unix_socket(socket).build();
        client.map(Some).map_err(|source| Error::Tls(source.into()))
    }

    /// Logs in again with our key, the same device, and keeps the new token. Another process or task may
    /// have done so a moment ago: a second login on a device ends what the first one got.
    async fn renew(&self, rejected: Secret) -> Result<(), Error> {
        let Some((data, file)) = self.home() else { return Ok(()) };
        files::private_folder(&data.run())?;
        let (lock, until) = (data.run().join("session.lock"), self.deadline.into());
        let _lock = Lock::acquire(&lock, "a new session", until, &mut |_| ()).await?;
        let kept = Session::load(file).unwrap_or(None);
        let newer = kept.filter(|kept| kept.access_token != rejected);
        let fresh = if let Some(newer) = newer {
            newer
        } else {
            let fresh = login(data, self.session(), self.timeout).await?;
            fresh.save(file)?;
            fresh
        };
        let mut token = self.connection.token.write().unwrap_or_else(PoisonError::into_inner);
        *token = fresh.access_token;
        Ok(())
    }
}

fn parts_of(answer: &reqwest::Response) -> http::response::Parts {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = answer.status();
    parts.headers = answer.headers().clone();
    parts
}

/// From a byte on to the end.
fn range(from: u64) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(format!("bytes={from}-"))
        .map_err(|source| Error::Request("range", source.into()))
}

/// What all clients of ours have in common.
fn builder() -> Result<reqwest::ClientBuilder, Error> {
    let tls = super::tls::config().map_err(|source| Error::Tls(source.into()))?;
    Ok(reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(tls))
}

/// The same for what may take as long as it likes, unless it is silent for so long.
pub(crate) fn patient(silence: Duration) -> Result<reqwest::Client, Error> {
    let client = builder()?.connect_timeout(Duration::from_secs(10)).read_timeout(silence);
    client.build().map_err(|source| Error::Tls(source.into()))
}

/// A client without a session, for a server that is not ours.
pub(crate) fn plain(timeout: Duration) -> Result<reqwest::Client, Error> {
    builder()?.timeout(timeout).build().map_err(|source| Error::Tls(source.into()))
}

/// The same by names that are looked up so. It goes by no proxy, which would look them up itself.
pub(crate) fn with_names_of(
    names: impl reqwest::dns::Resolve + 'static,
    timeout: Duration,
) -> Result<reqwest::Client, Error> {
    let client = builder()?.no_proxy().timeout(timeout).dns_resolver(Arc::new(names));
    client.build().map_err(|source| Error::Tls(source.into()))
}

/// The file of the token with which this program acts as the users of a Dendrite.
const APPSERVICE_TOKEN: &str = "appservice_token";

/// Logs in a user that exists by our key, or as our application service; `session` says who, where and with which
/// device.
pub(crate) async fn login(
    data: &DataDir,
    session: Session,
    timeout: Duration,
) -> Result<Session, Error> {
    running::require(data, &session.url)?;
    let bare = Session { access_token: Secret::new(""), ..session.clone() };
    let client = Client::built(from_own_address(&session)?, bare, None, timeout)?;
    // A login by key makes who is not there, such as in another database.
    let there = api::profile::Request { user_id: session.user_id.clone().into() };
    if client.send(there).await.is_err_and(|error| error.is_not_found()) {
        return Err(Error::NoUser(session.user_id.to_string()));
    }
    let (device_id, name) = (session.device_id.clone(), session.device_name().to_owned());
    let answer = if session.dendrite {
        let file = data.secret(APPSERVICE_TOKEN);
        let token = Secret::read(&file).map_err(|error| match error {
            error if error.is_not_found() => Error::NoToken(file.display().to_string()),
            error => error.into(),
        })?;
        let client = client.with_token(token);
        client.send(login_as::Request::new(&session.user_id, device_id, name)).await?.access_token
    } else {
        let key = jwt::Key::read_or_generate(data)?;
        let token = key.token(session.user_id.localpart(), session.server_name.as_str())?;
        let request = api::login::Request {
            kind: "org.matrix.login.jwt".to_owned(),
            token: token.expose().to_owned(),
            device_id,
            initial_device_display_name: name,
        };
        client.send(request).await?.access_token
    };
    Ok(Session { access_token: Secret::new(answer), ..session })
}

/// Synapse lets an address log in a few times and then once in six seconds, and all accounts of ours would share the one of
/// this machine. Each has a loopback address to itself, so that its own logins count; behind our proxy Synapse reads it
/// from a header, and elsewhere the address stays what it is.
fn from_own_address(session: &Session) -> Result<reqwest::ClientBuilder, Error> {
    let builder = builder()?;
    if !session.url.starts_with("http://127.") {
        return Ok(builder);
    }
    let mut hasher = DefaultHasher::new();
    session.user_id.hash(&mut hasher);
    let [a, b, c, ..] = hasher.finish().to_be_bytes();
    let address = Ipv4Addr::new(127, a | 64, b, c.clamp(1, 254));
    let mut headers = HeaderMap::new();
    if let Ok(address) = HeaderValue::from_str(&address.to_string()) {
        headers.insert("x-forwarded-for", address);
    }
    Ok(builder.local_address(IpAddr::from(address)).default_headers(headers))
}

/// A request that cannot be put together: with a word that no address has room for, or by a mistake of ours.
fn unwritten(what: &'static str, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    if source.to_string().ends_with("uri too long") {
        return Error::LongAddress;
    }
    Error::Request(what, source)
}

fn unknown(error: Error) -> Error {
    let url = match &error {
        Error::Lost { url, .. }
        | Error::Unreachable { url, .. }
        | Error::Down { url }
        | Error::Deadline { url, .. }
        | Error::Endless { url, .. } => url.clone(),
        _ => String::new(),
    };
    Error::Unknown { url, source: Box::new(error) }
}

/// Reads an error of the Matrix API, or says that this is no Matrix server.
fn refusal(url: String, parts: &http::response::Parts, bytes: &[u8]) -> Error {
    let status = parts.status.as_u16();
    let body: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(errcode) = body["errcode"].as_str() else {
        return Error::NotMatrix { url, status };
    };
    if body[sealing::MARK] == true {
        return Error::InTheClear;
    }
    let header = parts.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = header.and_then(|value| value.parse().ok()).map(Duration::from_secs);
    let exact = body["retry_after_ms"].as_u64().map(Duration::from_millis);
    Error::Refused {
        status,
        errcode: errcode.to_owned(),
        message: body["error"].as_str().unwrap_or("no reason given").to_owned(),
        // The milliseconds where there are both: the header only rounds them up.
        retry_after: exact.or(seconds),
    }
}

/// The session file's owner: whose session to load for a client that acts as `user`.
pub(crate) fn open(
    data: &DataDir,
    file: PathBuf,
    who: &str,
    timeout: Duration,
) -> Result<Client, Error> {
    let session = Session::load(&file)?.ok_or_else(|| Error::NoSession(who.to_owned()))?;
    Client::new(session, Some((data.clone(), file)), timeout)
}

/// The operator's client.
pub(crate) fn operator(data: &DataDir, timeout: Duration) -> Result<Client, Error> {
    open(data, session::operator_file(data), "the operator", timeout)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
