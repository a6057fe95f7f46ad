//! A file from an address that somebody else gives. Nothing in a private network is asked: the addresses that are
//! looked at are those that are connected to, so that a name which leads elsewhere the second time is of no use.

use std::{
    error::Error as _,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{StatusCode, header};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use tokio::{
    net::lookup_host,
    time::{error::Elapsed, timeout},
};

use super::private::may_be_asked;
use crate::{
    config::values::range::Range,
    matrix::{self, client, download},
};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it may be sent on.
const REDIRECTS: usize = 3;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("`{0}` is not the address of a file: it begins with `https://` or `http://`")]
    Address(String),
    #[error("the address of the file names a user, which all who take part would read")]
    User,
    #[error("{0}; `relay.fetch_from` allows ranges of addresses")]
    Private(Private),
    #[error("{0} answers {1}")]
    Status(String, StatusCode),
    #[error("the file is larger than {0} bytes")]
    TooLarge(usize),
    #[error("{0} sends on more than {REDIRECTS} times")]
    Redirects(String),
    #[error("{0} has no file, but a page for people")]
    Page(String),
    #[error("{0} has no picture there")]
    Picture(String),
    #[error("{0} has an empty file")]
    Empty(String),
    #[error("{0} cannot be asked: {1}")]
    Away(String, String),
    #[error("{0} did not give it within {1} s")]
    Late(String, u64),
}

/// Nobody there is asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0} is in a private network")]
pub(super) struct Private(String);

impl Error {
    /// Whether the same would come of the next try.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Status(_, status) => {
                status.is_client_error()
                    && !matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT
                            | StatusCode::TOO_EARLY
                            | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            Self::Away(..) | Self::Late(..) => false,
            _ => true,
        }
    }
}

/// What came.
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    /// Its MIME type, where the server says one.
    pub(super) mime: Option<String>,
}

#[derive(Clone)]
pub(super) struct Fetcher {
    http: reqwest::Client,
    largest: usize,
    allowed: Arc<[Range]>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("largest", &self.largest).finish_non_exhaustive()
    }
}

/// Looks names up and leaves out what is not asked.
struct Public(Arc<[Range]>);

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let (mut public, mut private) = (Vec::<SocketAddr>::new(), None);
            for address in lookup_host((name.as_str(), 0)).await? {
                if may_be_asked(address.ip(), &allowed) {
                    public.push(address);
                } else {
                    private = Some(Private(format!("`{}` ({})", name.as_str(), address.ip())));
                }
            }
            match private {
                Some(private) if public.is_empty() => Err(private.into()),
                _ => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// An address that can be asked, as far as it says itself.
pub(super) fn address(text: &str) -> Result<Url, Error> {
    let wrong = || Error::Address(text.chars().take(200).collect());
    let url = Url::parse(text).map_err(|_| wrong())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::User);
    }
    let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if is_web { Ok(url) } else { Err(wrong()) }
}

/// What the file is called there.
pub(super) fn name_of(text: &str) -> Option<String> {
    let url = address(text).ok()?;
    let last = url.path_segments()?.next_back()?.to_owned();
    download::named(&download::decoded(&last)?)
}

/// Whom it is asked of.
pub(super) fn host_of(text: &str) -> String {
    address(text).map(|url| host(&url)).unwrap_or_default()
}

/// The host alone: what is behind it may be a secret.
fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// What somebody can do something about is at the end of the causes.
fn cause(error: &reqwest::Error) -> Result<String, Private> {
    let (mut last, mut next) = (error.to_string(), error.source());
    while let Some(source) = next {
        if let Some(private) = source.downcast_ref::<Private>() {
            return Err(private.clone());
        }
        (last, next) = (source.to_string(), source.source());
    }
    Ok(last)
}

impl Fetcher {
    pub(super) fn new(allowed: &[Range], largest: usize) -> Result<Self, matrix::Error> {
        let allowed: Arc<[Range]> = allowed.into();
        let http = client::with_names_of(Public(Arc::clone(&allowed)), PATIENCE)?;
        Ok(Self { http, largest, allowed })
    }

    pub(super) async fn fetch(&self, from: &str) -> Result<Fetched, Error> {
        let url = address(from)?;
        let late = Error::Late(host(&url), PATIENCE.as_secs());
        timeout(PATIENCE, self.follow(url)).await.map_err(|_: Elapsed| late)?
    }

    async fn follow(&self, mut url: Url) -> Result<Fetched, Error> {
        for _ in 0..=REDIRECTS {
            let mut answer = self.ask(url.clone()).await?;
            let status = answer.status();
            let on = answer.headers().get(header::LOCATION).and_then(|it| it.to_str().ok());
            if let (true, Some(on)) = (status.is_redirection(), on) {
                url = url.join(on).map_err(|_| Error::Address(on.to_owned()))?;
                continue;
            }
            if !status.is_success() {
                return Err(Error::Status(host(&url), status));
            }
            let mime = answer.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
            let mime = mime.map(str::to_owned);
            let bytes = self.read(&url, &mut answer).await?;
            return Ok(Fetched { bytes, mime });
        }
        Err(Error::Redirects(host(&url)))
    }

    async fn ask(&self, url: Url) -> Result<reqwest::Response, Error> {
        let url = address(url.as_str())?;
        // An address that is written as numbers is not looked up.
        let name = url.host_str().unwrap_or_default();
        let numbers = name.trim_matches(['[', ']']).parse::<IpAddr>();
        if numbers.is_ok_and(|address| !may_be_asked(address, &self.allowed)) {
            return Err(Error::Private(Private(format!("`{name}`"))));
        }
        let at = host(&url);
        let asked = self.http.get(url).send().await;
        asked.map_err(|error| away(at, &error))
    }

    async fn read(&self, url: &Url, answer: &mut reqwest::Response) -> Result<Vec<u8>, Error> {
        let length = answer.content_length().and_then(|it| usize::try_from(it).ok());
        if length.is_some_and(|length| length > self.largest) {
            return Err(Error::TooLarge(self.largest));
        }
        let mut bytes = Vec::with_capacity(length.unwrap_or(0));
        while let Some(piece) = answer.chunk().await.map_err(|error| away(host(url), &error))? {
            if bytes.len() + piece.len() > self.largest {
                return Err(Error::TooLarge(self.largest));
            }
            bytes.extend_from_slice(&piece);
        }
        if bytes.is_empty() { Err(Error::Empty(host(url))) } else { Ok(bytes) }
    }
}

fn away(at: String, error: &reqwest::Error) -> Error {
    match cause(error) {
        Err(private) => Error::Private(private),
        Ok(_) if error.is_timeout() => Error::Late(at, PATIENCE.as_secs()),
        Ok(cause) => Error::Away(at, cause),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers with these, one a connection; its port.
    async fn answered(answers: Vec<String>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        port
    }

    fn fetcher(allowed: &[&str]) -> Fetcher {
        let allowed: Vec<Range> = allowed.iter().map(|range| range.parse().unwrap()).collect();
        Fetcher::new(&allowed, 10).unwrap()
    }

    const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1"];

    #[test]
    fn a_name_is_the_last_part_of_the_path() {
        for (url, name) in [
            ("https://x.org/a/%C3%BCber%20uns.png?token=1", Some("über uns.png")),
            ("https://x.org/", None),
            ("https://x.org/a/..%2Fb", Some("b")),
            ("https://x.org/%FF", None),
        ] {
            assert_eq!(name_of(url).as_deref(), name, "{url}");
        }
    }

    #[tokio::test]
    async fn a_file_comes_with_its_kind_also_from_where_it_was_sent_on() {
        let port = answered(vec![
            "HTTP/1.1 302 F\r\nLocation: /there?x=1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into(),
            "HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\nContent-Length: 3\r\n\r\nGIF".into(),
        ])
        .await;
        let got = fetcher(LOOPBACK).fetch(&format!("http://localhost:{port}/here")).await;
        let got = got.map_err(|error| error.to_string()).unwrap();
        assert_eq!((&got.bytes[..], got.mime.as_deref()), (&b"GIF"[..], Some("image/gif")));
    }

    #[tokio::test]
    async fn nobody_in_a_private_network_is_asked_by_name_by_number_or_by_being_sent_on() {
        let port = answered(vec![
            "HTTP/1.1 302 F\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n".into(),
        ])
        .await;
        let refused = async |allowed: &[&str], url: &str| {
            let error = fetcher(allowed).fetch(url).await.err().unwrap();
            assert!(error.is_final(), "{error}");
            error.to_string()
        };
        for url in [
            format!("http://localhost:{port}/"),
            format!("http://127.0.0.1:{port}/"),
            format!("http://[::1]:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://2130706433:{port}/"),
            format!("http://0x7f.1:{port}/"),
        ] {
            let said = refused(&[], &url).await;
            assert!(said.contains("private network"), "{url}: {said}");
        }
        let said = refused(LOOPBACK, &format!("http://127.0.0.1:{port}/")).await;
        assert!(said.contains("169.254.169.254"), "{said}");
    }

    #[tokio::test]
    async fn what_is_too_large_or_not_there_is_final_and_what_breaks_is_not() {
        let answer = |status: &str, rest: &str| format!("HTTP/1.1 {status} X\r\n{rest}");
        for (answer, is_final, word) in [
            (answer("200", "Content-Length: 11\r\n\r\n"), true, "larger"),
            (answer("200", "Connection: close\r\n\r\n01234567890"), true, "larger"),
            (answer("200", "Content-Length: 0\r\n\r\n"), true, "empty"),
            (answer("404", "Content-Length: 0\r\n\r\n"), true, "404"),
            (answer("503", "Content-Length: 0\r\n\r\n"), false, "503"),
            (answer("429", "Content-Length: 0\r\n\r\n"), false, "429"),
            (answer("200", "Content-Length: 9\r\n\r\n012"), false, "cannot be asked"),
        ] {
            let port = answered(vec![answer]).await;
            let error = fetcher(LOOPBACK).fetch(&format!("http://127.0.0.1:{port}/")).await;
            let error = error.err().unwrap();
            let said = error.to_string();
            assert!(error.is_final() == is_final && said.contains(word), "{said}");
        }
        for url in ["ftp://x/a", "file:///etc/passwd", "a", "http://"] {
            assert!(matches!(fetcher(&[]).fetch(url).await, Err(Error::Address(_))), "{url}");
        }
    }

    #[tokio::test]
    async fn who_is_sent_on_too_often_gives_up() {
        let on = "HTTP/1.1 302 F\r\nLocation: /\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            .to_owned();
        let port = answered(vec![on; 4]).await;
        let error = fetcher(LOOPBACK).fetch(&format!("http://127.0.0.1:{port}/")).await;
        assert!(matches!(error, Err(Error::Redirects(_))));
    }
}
