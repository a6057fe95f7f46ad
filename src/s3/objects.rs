//! Objects in a bucket that this program keeps itself, such as backups: put, got, listed and removed. All of it
//! waits for the store, so it is called from threads that may wait.
//!
//! What is large goes in parts, so that it is never whole in memory, and has its name only when all parts are
//! there. A store that is slow or away for a moment is asked again.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use hyper::body::Bytes;
use reqwest::{Body, RequestBuilder, Response, StatusCode, Url, header};
use rusty_s3::{
    Bucket, Credentials, S3Action as _, UrlStyle,
    actions::{CreateMultipartUpload, ListObjectsV2},
};
use tokio::{runtime::Handle, time::sleep};

use crate::{
    clock::Backoff,
    config::{Config, sections::backup::Backup},
    error::{Explain, Kind},
    matrix::{self, error::reason},
};

/// How much is sent at once, which is in memory; not every store takes parts of several lengths.
const PART: usize = if cfg!(test) { 1000 } else { 8 << 20 };
/// So many parts are of that length: stores take no more than ten thousand, so later ones are longer.
const SHORT: usize = 5000;
const LONG_PART: usize = 32 << 20;
const ACCESS_KEY: &str = "backup.s3_access_key";
const SECRET_KEY: &str = "backup.s3_secret_key";
/// How often something is tried.
const TRIES: u32 = 5;
/// How long a signature is good.
const SIGNED: Duration = Duration::from_hours(1);
/// How long the store may be silent.
const PATIENCE: Duration = Duration::from_mins(1);
/// An answer that is longer is none of a store's.
const LONGEST: usize = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the keys of the S3 store for backups are not known: `{0}` is not set")]
    Unset(&'static str),
    #[error("the S3 store cannot be at `{0}`")]
    Address(String),
    #[error("the S3 store at `{endpoint}` cannot be reached: {why}")]
    Unreachable { endpoint: String, why: String },
    #[error("the S3 store has no bucket `{0}`")]
    NoBucket(String),
    #[error("the S3 store has no `{0}`")]
    NoObject(String),
    #[error("the S3 store rejects the keys: {0}")]
    Keys(String),
    #[error("the keys do not allow to {doing} `{what}`")]
    Denied { doing: &'static str, what: String },
    #[error("the S3 store does not {doing} `{what}`: {code}")]
    Refused { doing: &'static str, what: String, code: String },
    #[error("`{0}` is larger than a store takes")]
    TooLarge(String),
    #[error(transparent)]
    Client(#[from] matrix::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unreachable { .. } | Self::Refused { .. } => Kind::Environment,
            Self::NoObject(_) | Self::TooLarge(_) => Kind::Request,
            Self::Client(error) => error.kind(),
            _ => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unset(key) if *key == SECRET_KEY => format!("`config set {key}` asks for it"),
            Self::Unset(key) => format!("`config set {key} …`"),
            Self::Address(_) => "`config set backup.s3_endpoint URL` corrects it".into(),
            Self::Unreachable { .. } | Self::Refused { .. } => {
                "run it again when the store answers; nothing half-made is left under a name".into()
            }
            Self::NoBucket(_) => {
                "make it at the store, or correct `backup.s3_endpoint` and `backup.s3_region`".into()
            }
            Self::NoObject(_) => "`manage backup list --to s3://BUCKET/PREFIX` shows those there are".into(),
            Self::Keys(_) => {
                "`config set backup.s3_access_key KEY` and `config set backup.s3_secret_key` change them".into()
            }
            Self::Denied { .. } => {
                "let the key list the bucket, and read, write and delete what is in it".into()
            }
            Self::TooLarge(_) => "`--incremental` keeps the media out of the archive".into(),
            Self::Client(error) => return error.hint(),
        })
    }
}

/// A place in a bucket, with the keys for it.
#[derive(Clone)]
pub(crate) struct Store(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    handle: Handle,
    bucket: Bucket,
    credentials: Credentials,
    /// With a slash at its end; empty where there is none.
    prefix: String,
    endpoint: String,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.address(""))
    }
}

/// What is done to what, for errors.
#[derive(Clone, Copy)]
struct Doing<'a>(&'static str, &'a str);

/// What an answer that is none means.
enum Fault {
    /// It may be better next time.
    Passing(Error),
    Lasting(Error),
}

impl Store {
    /// As the settings for backups say, else as those for the media do. It is called where a runtime is.
    pub(crate) fn of(config: &Config, bucket: &str, prefix: &str) -> Result<Self, Error> {
        let Backup { s3_endpoint, s3_region, s3_access_key, s3_secret_key, .. } = &config.backup;
        let media = &config.media;
        // A key belongs to a store: both come from the same settings.
        let is_own = s3_access_key.is_some() || s3_secret_key.is_some();
        let (access, secret) = if is_own {
            (s3_access_key.clone().unwrap_or_default(), s3_secret_key.as_ref())
        } else {
            (media.s3_access_key.clone(), media.s3_secret_key.as_ref())
        };
        if access.is_empty() {
            return Err(Error::Unset(ACCESS_KEY));
        }
        let secret = secret.ok_or(Error::Unset(SECRET_KEY))?;
        let region = s3_region.clone().unwrap_or_else(|| media.s3_region.clone());
        let set = s3_endpoint.as_ref().or(media.s3_endpoint.as_ref());
        // Only Amazon's own has names of hosts for buckets, and those only for some names.
        let is_host = set.is_none()
            && bucket.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let style = if is_host { UrlStyle::VirtualHost } else { UrlStyle::Path };
        let endpoint =
            set.map_or_else(|| format!("https://s3.{region}.amazonaws.com"), |it| it.0.clone());
        let wrong = || Error::Address(endpoint.clone());
        let url = Url::parse(&endpoint).map_err(|_| wrong())?;
        let bucket = Bucket::new(url, style, bucket.to_owned(), region).map_err(|_| wrong())?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self(Arc::new(Inner {
            http: matrix::client::patient(PATIENCE)?,
            handle: Handle::current(),
            bucket,
            credentials: Credentials::new(access, secret.0.expose()),
            prefix,
            endpoint,
        })))
    }

    /// As a person names it.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("s3://{}/{}{name}", self.0.bucket.name(), self.0.prefix)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.0.prefix)
    }

    /// Sends a request, as often as it may help; each time it is signed anew.
    fn send(
        &self,
        doing: Doing<'_>,
        request: impl Fn(&Inner) -> RequestBuilder,
    ) -> Result<Response, Error> {
        self.0.handle.block_on(async {
            let mut pauses = Backoff::new(Duration::from_millis(300), Duration::from_secs(5));
            let mut tries = 1;
            loop {
                match self.sent(doing, request(&self.0)).await {
                    Ok(answer) => return Ok(answer),
                    Err(Fault::Passing(_)) if tries < TRIES => {}
                    Err(Fault::Passing(error) | Fault::Lasting(error)) => return Err(error),
                }
                tries += 1;
                sleep(pauses.pause()).await;
            }
        })
    }

    async fn sent(&self, doing: Doing<'_>, request: RequestBuilder) -> Result<Response, Fault> {
        let answer = request.send().await.map_err(|error| Fault::Passing(self.away(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = body(answer).await.map_err(|error| Fault::Passing(self.away(&error)))?;
        let code = element(&text, "Code").unwrap_or_else(|| status.as_u16().to_string());
        let words = element(&text, "Message").unwrap_or_default();
        let (bucket, what) = (self.0.bucket.name().to_owned(), self.address(doing.1));
        let error = match code.as_str() {
            "NoSuchBucket" | "PermanentRedirect" | "AuthorizationHeaderMalformed" => {
                Error::NoBucket(bucket)
            }
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" => Error::Keys(code),
            "AccessDenied" | "AllAccessDisabled" | "403" => Error::Denied { doing: doing.0, what },
            _ if status == StatusCode::NOT_FOUND => Error::NoObject(what),
            _ => {
                let code = format!("{code} {words}").trim().to_owned();
                Error::Refused { doing: doing.0, what, code }
            }
        };
        let is_passing = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT;
        Err(if is_passing { Fault::Passing(error) } else { Fault::Lasting(error) })
    }

    fn away(&self, error: &reqwest::Error) -> Error {
        Error::Unreachable { endpoint: self.0.endpoint.clone(), why: reason(error) }
    }

    /// The text of an answer to a request.
    fn text(
        &self,
        doing: Doing<'_>,
        request: impl Fn(&Inner) -> RequestBuilder,
    ) -> Result<String, Error> {
        let answer = self.send(doing, request)?;
        let text = self.0.handle.block_on(body(answer)).map_err(|error| self.away(&error))?;
        // Some say so only in the text: the answer had to begin before that was known.
        match element(&text, "Code").filter(|_| text.contains("<Error>")) {
            None => Ok(text),
            Some(code) => {
                let what = self.address(doing.1);
                Err(Error::Refused { doing: doing.0, what, code })
            }
        }
    }

    /// How large an object is; none where there is none of that name.
    pub(crate) fn size(&self, name: &str) -> Result<Option<u64>, Error> {
        let key = self.key(name);
        let answer = self.send(Doing("show", name), |it| {
            it.http.head(it.bucket.head_object(Some(&it.credentials), &key).sign(SIGNED))
        });
        match answer {
            Err(Error::NoObject(_)) => Ok(None),
            answer => Ok(length(&answer?)),
        }
    }

    /// The names and sizes of what begins like this; with `only_here` not of what has a slash after that.
    pub(crate) fn list(
        &self,
        start: &str,
        only_here: bool,
        found: &mut dyn FnMut(&str, u64),
    ) -> Result<(), Error> {
        let prefix = self.key(start);
        let mut token: Option<String> = None;
        loop {
            let text = self.text(Doing("list", start), |it| {
                let mut list = it.bucket.list_objects_v2(Some(&it.credentials));
                list.with_prefix(prefix.as_str());
                if only_here {
                    list.with_delimiter("/");
                }
                if let Some(token) = &token {
                    list.with_continuation_token(token.as_str());
                }
                it.http.get(list.sign(SIGNED))
            })?;
            let page = ListObjectsV2::parse_response(&text).map_err(|error| Error::Refused {
                doing: "list",
                what: self.address(start),
                code: error.to_string(),
            })?;
            for object in page.contents {
                if let Some(name) = object.key.strip_prefix(&self.0.prefix) {
                    found(name, object.size.unwrap_or_default());
                }
            }
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let key = self.key(name);
        let removed = self.send(Doing("delete", name), |it| {
            it.http.delete(it.bucket.delete_object(Some(&it.credentials), &key).sign(SIGNED))
        });
        match removed {
            Err(Error::NoObject(_)) => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// An object to read, and its size.
    pub(crate) fn open(&self, name: &str) -> Result<(Download, u64), Error> {
        let mut download = Download {
            store: self.clone(),
            name: name.to_owned(),
            answer: None,
            tag: None,
            at: 0,
            size: 0,
            chunk: Bytes::new(),
            broken: 0,
        };
        download.go_on()?;
        let size = download.size;
        Ok((download, size))
    }

    /// Begins an object that is there when it is whole.
    pub(crate) fn create(&self, name: &str) -> Upload {
        Upload {
            store: self.clone(),
            name: name.to_owned(),
            id: None,
            tags: Vec::new(),
            part: Vec::new(),
        }
    }
}

async fn body(mut answer: Response) -> Result<String, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn length(answer: &Response) -> Option<u64> {
    answer.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The text of an element without others in it.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.lines().next().unwrap_or_default().to_owned())
}

/// An object that is read; where the connection breaks, the rest is fetched.
pub(crate) struct Download {
    store: Store,
    name: String,
    answer: Option<Response>,
    /// What tells it from what takes its place.
    tag: Option<header::HeaderValue>,
    at: u64,
    size: u64,
    chunk: Bytes,
    broken: u32,
}

impl Download {
    fn go_on(&mut self) -> Result<(), Error> {
        let key = self.store.key(&self.name);
        let answer = self.store.send(Doing("give", &self.name), |it| {
            let url = it.bucket.get_object(Some(&it.credentials), &key).sign(SIGNED);
            let mut request = it.http.get(url);
            if self.at > 0 {
                request = request.header(header::RANGE, format!("bytes={}-", self.at));
            }
            match &self.tag {
                Some(tag) => request.header(header::IF_MATCH, tag.clone()),
                None => request,
            }
        })?;
        if self.at == 0 {
            self.size = length(&answer).unwrap_or_default();
            self.tag = answer.headers().get(header::ETAG).cloned();
        } else if answer.status() != StatusCode::PARTIAL_CONTENT {
            let what = self.store.address(&self.name);
            let code = "it begins anew".to_owned();
            return Err(Error::Refused { doing: "go on with", what, code });
        }
        self.answer = Some(answer);
        Ok(())
    }
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            if self.answer.is_none() {
                if self.at >= self.size {
                    return Ok(0);
                }
                self.go_on().map_err(io::Error::other)?;
            }
            let Some(answer) = &mut self.answer else { return Ok(0) };
            match self.store.0.handle.block_on(answer.chunk()) {
                Ok(Some(chunk)) => {
                    self.broken = 0;
                    self.chunk = chunk;
                }
                Ok(None) if self.at >= self.size => return Ok(0),
                Err(error) if self.broken >= TRIES => {
                    return Err(io::Error::other(self.store.away(&error)));
                }
                Ok(None) | Err(_) => {
                    self.broken += 1;
                    self.answer = None;
                }
            }
        }
        let read = into.len().min(self.chunk.len());
        into[..read].copy_from_slice(&self.chunk.split_to(read));
        self.at += read as u64;
        Ok(read)
    }
}

/// An object that is written: in one go where it is small, else in parts. Given up, nothing of it stays.
pub(crate) struct Upload {
    store: Store,
    name: String,
    /// The store's word for what comes in parts.
    id: Option<String>,
    /// What the store calls each part.
    tags: Vec<String>,
    part: Vec<u8>,
}

impl Upload {
    fn put(&mut self) -> Result<(), Error> {
        let Self { store, name, id, tags, part } = self;
        let key = store.key(name);
        if id.is_none() {
            let text = store.text(Doing("take", name), |it| {
                let begun = it.bucket.create_multipart_upload(Some(&it.credentials), &key);
                it.http.post(begun.sign(SIGNED))
            })?;
            let begun = CreateMultipartUpload::parse_response(&text);
            let begun = begun.map_err(|error| Error::Refused {
                doing: "take",
                what: store.address(name),
                code: error.to_string(),
            })?;
            *id = Some(begun.upload_id().to_owned());
        }
        let id = id.as_deref().unwrap_or_default();
        let number = u16::try_from(tags.len() + 1).ok().filter(|number| *number <= 10_000);
        let number = number.ok_or_else(|| Error::TooLarge(store.address(name)))?;
        let content = Bytes::from(std::mem::take(part));
        let answer = store.send(Doing("take", name), |it| {
            let put = it.bucket.upload_part(Some(&it.credentials), &key, number, id);
            it.http.put(put.sign(SIGNED)).body(Body::from(content.clone()))
        })?;
        let tag = answer.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
        tags.push(tag.unwrap_or_default().to_owned());
        Ok(())
    }

    /// Sends the rest and gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if self.id.is_none() {
            let key = self.store.key(&self.name);
            let content = Bytes::from(std::mem::take(&mut self.part));
            self.store.send(Doing("take", &self.name), |it| {
                let put = it.bucket.put_object(Some(&it.credentials), &key);
                it.http.put(put.sign(SIGNED)).body(Body::from(content.clone()))
            })?;
            return Ok(());
        }
        if !self.part.is_empty() {
            self.put()?;
        }
        let Self { store, name, id, tags, .. } = &self;
        let (key, id) = (store.key(name), id.as_deref().unwrap_or_default());
        store.text(Doing("put together", name), |it| {
            let tags = tags.iter().map(String::as_str);
            let whole = it.bucket.complete_multipart_upload(Some(&it.credentials), &key, id, tags);
            it.http.post(whole.sign(SIGNED)).body(whole.body())
        })?;
        self.id = None;
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let most = if self.tags.len() < SHORT { PART } else { LONG_PART };
        if self.part.len() >= most {
            self.put().map_err(io::Error::other)?;
        }
        let taken = content.len().min(most - self.part.len());
        self.part.extend_from_slice(&content[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let key = self.store.key(&self.name);
        // Where the store is away, it removes by its own rules what was never finished.
        let given_up = self.store.send(Doing("give up", &self.name), |it| {
            let abort = it.bucket.abort_multipart_upload(Some(&it.credentials), &key, &id);
            it.http.delete(abort.sign(SIGNED))
        });
        if let Err(error) = given_up {
            tracing::warn!("parts of `{}` stay at the store: {error}", self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::task;

    use super::*;
    use crate::{
        canned::{Answer, Server},
        config::sources::environment::Environment,
        data_dir::DataDir,
    };

    fn store(endpoint: &str) -> Result<Store, Error> {
        let flags = [
            format!("backup.s3_endpoint={endpoint}"),
            "backup.s3_access_key=AKIAEXAMPLE".into(),
            "backup.s3_secret_key=hunter22".into(),
        ];
        let data = DataDir::new("/nowhere".into());
        Store::of(&Config::load(data, &flags, &Environment::default()).unwrap(), "backups", "chat")
    }

    const BEGUN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>backups</Bucket><Key>chat/a</Key><UploadId>u1</UploadId></InitiateMultipartUploadResult>"#;
    const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";

    #[tokio::test]
    async fn a_store_that_refuses_half_way_is_left_without_parts() {
        let server = Server::start().await;
        server.answers(Answer::new(200, BEGUN).with_method(Method::POST).times(1));
        let part = Answer::new(200, "").with_method(Method::PUT).header(header::ETAG, "\"1\"");
        server.answers(part.times(1));
        server.answers(Answer::new(403, DENIED).with_method(Method::PUT).times(1));
        server.answers(Answer::new(204, "").with_method(Method::DELETE).times(1));
        let store = store(&server.url()).unwrap();
        let failed = task::spawn_blocking(move || {
            let mut upload = store.create("a");
            upload.write_all(&[7; 3500])
        });
        let said = failed.await.unwrap().unwrap_err().to_string();
        assert_eq!(said, "the keys do not allow to take `s3://backups/chat/a`");
        assert!(server.asked().iter().all(|uri| uri.path() == "/backups/chat/a"));
    }

    #[tokio::test]
    async fn a_store_that_is_busy_is_asked_again_and_what_is_small_goes_at_once() {
        let server = Server::start().await;
        server.answers(Answer::new(503, "<Error><Code>SlowDown</Code></Error>").times(2));
        server.answers(Answer::new(200, "").with_method(Method::PUT).times(1));
        let store = store(&server.url()).unwrap();
        let done = task::spawn_blocking(move || {
            let mut upload = store.create("a");
            upload.write_all(b"small")?;
            upload.finish().map_err(io::Error::other)
        });
        done.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_the_store_says_becomes_a_sentence() {
        let said = async |status: u16, code: &str| {
            let server = Server::start().await;
            server.answers(Answer::new(status, format!("<Error><Code>{code}</Code></Error>")));
            let store = store(&server.url()).unwrap();
            let listed = task::spawn_blocking(move || store.list("", true, &mut |_, _| ()));
            listed.await.unwrap().unwrap_err().to_string()
        };
        assert_eq!(said(404, "NoSuchBucket").await, "the S3 store has no bucket `backups`");
        assert!(
            said(403, "SignatureDoesNotMatch").await.starts_with("the S3 store rejects the keys")
        );
        let odd = said(400, "OddRequest").await;
        assert_eq!(odd, "the S3 store does not list `s3://backups/chat/`: OddRequest");
    }

    #[tokio::test]
    async fn a_key_belongs_to_its_store() {
        let data = DataDir::new("/nowhere".into());
        let of = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            let config = Config::load(data.clone(), &flags, &Environment::default()).unwrap();
            Store::of(&config, "backups", "").map(drop).map_err(|error| error.to_string())
        };
        let media = ["media.s3_access_key=AKIAEXAMPLE", "media.s3_secret_key=hunter22"];
        of(&media).unwrap();
        let half = of(&[&media[..], &["backup.s3_access_key=OTHER"]].concat()).unwrap_err();
        assert_eq!(
            half,
            "the keys of the S3 store for backups are not known: `backup.s3_secret_key` is not set"
        );
    }
}
