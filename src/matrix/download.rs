//! A file of the server, read piece by piece. Where the connection breaks it goes on behind what came: where the
//! server can begin there it is asked to, and where it cannot (Synapse up to 1.163 takes no `Range`) what comes
//! again is passed over. What has an address never changes.

use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use http::{StatusCode, header};
use ring::digest::{Context as Sum, SHA256};

use super::{
    Error,
    api::download::Request,
    attachment::{Key, Opening},
    client::Client,
};
use crate::clock::Backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A file that is being read.
pub(crate) struct Download {
    client: Client,
    server: String,
    id: String,
    answer: Option<reqwest::Response>,
    /// How many bytes are to come that came before.
    again: u64,
    hash: Sum,
    opening: Option<Opening>,
    backoff: Backoff,
    /// When something came last.
    heard: Instant,
    /// How many bytes came.
    pub(crate) bytes: u64,
    /// How many it has, where the server says so.
    pub(crate) total: Option<u64>,
    /// How often the connection broke.
    pub(crate) broken: u32,
    /// What it was called when it was uploaded.
    pub(crate) name: Option<String>,
    /// Its MIME type.
    pub(crate) mimetype: Option<String>,
}

impl Download {
    /// Asks for a file.
    pub(crate) async fn open(client: &Client, server: &str, id: &str) -> Result<Self, Error> {
        let mut download = Self {
            client: client.clone(),
            server: server.to_owned(),
            id: id.to_owned(),
            answer: None,
            again: 0,
            hash: Sum::new(&SHA256),
            opening: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            heard: Instant::now(),
            bytes: 0,
            total: None,
            broken: 0,
            name: None,
            mimetype: None,
        };
        let answer = download.begin().await?;
        let text = |name: header::HeaderName| answer.headers().get(name)?.to_str().ok();
        download.total = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        download.name = text(header::CONTENT_DISPOSITION).and_then(filename);
        download.mimetype = text(header::CONTENT_TYPE).map(str::to_owned);
        download.answer = Some(answer);
        Ok(download)
    }

    /// Opens what comes of a sealed file. Only when nothing more comes is it known to be what was sent.
    pub(crate) fn opened_with(&mut self, key: &Key) {
        self.opening = Some(Opening::new(key));
    }

    /// What comes next; nothing after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            let piece = match self.piece().await {
                Ok(piece) => piece,
                Err(error) => {
                    self.answer = None;
                    self.broken += 1;
                    if !error.is_away() || self.heard.elapsed() >= self.client.patience() {
                        return Err(error);
                    }
                    tokio::time::sleep(self.backoff.pause()).await;
                    continue;
                }
            };
            let Some(mut piece) = piece else {
                return self.opening.take().map_or(Ok(()), Opening::finish).map(|()| None).map_err(
                    |source| Error::Attachment {
                        url: format!("mxc://{}/{}", self.server, self.id),
                        source,
                    },
                );
            };
            let known = usize::try_from(self.again).unwrap_or(usize::MAX).min(piece.len());
            self.again -= known as u64;
            piece.drain(..known);
            if piece.is_empty() {
                continue;
            }
            self.heard = Instant::now();
            self.backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
            self.bytes += piece.len() as u64;
            if let Some(opening) = &mut self.opening {
                opening.next(&mut piece);
            }
            self.hash.update(&piece);
            return Ok(Some(piece));
        }
    }

    /// The hash of what came, opened, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        HEXLOWER.encode(self.hash.clone().finish().as_ref())
    }

    async fn piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut answer = match self.answer.take() {
            Some(answer) => answer,
            None => self.begin().await?,
        };
        let piece = self.client.piece(&mut answer).await?;
        self.answer = Some(answer);
        Ok(piece)
    }

    /// Asks for the rest.
    async fn begin(&mut self) -> Result<reqwest::Response, Error> {
        let (server_name, media_id) = (self.server.clone().into(), self.id.clone().into());
        let client = self.client.afresh();
        let answer = client.begin(Request { server_name, media_id }, self.bytes).await?;
        let goes_on = self.bytes > 0
            && answer.status() == StatusCode::PARTIAL_CONTENT
            && starts_at(&answer) == Some(self.bytes);
        self.again = if goes_on { 0 } else { self.bytes };
        Ok(answer)
    }
}

/// Where a part begins: `Content-Range: bytes 100-199/200`.
fn starts_at(answer: &reqwest::Response) -> Option<u64> {
    let range = answer.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// The name in a `Content-Disposition`, as far as it is one of a file and no path.
fn filename(disposition: &str) -> Option<String> {
    let mut plain = None;
    for part in disposition.split(';').map(str::trim) {
        let Some((key, value)) = part.split_once('=') else { continue };
        match key.trim().to_ascii_lowercase().as_str() {
            "filename*" => {
                let encoded = value.splitn(3, '\'').nth(2)?;
                return named(&decoded(encoded)?);
            }
            "filename" => plain = Some(value.trim().trim_matches('"').to_owned()),
            _ => {}
        }
    }
    named(&plain?)
}

/// As a part of an address has it.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut letters) = (Vec::new(), text.bytes());
    while let Some(byte) = letters.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [letters.next()?, letters.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// What somebody else called a file must not lead out of a folder, or hide in it.
pub(crate) fn named(text: &str) -> Option<String> {
    const LONGEST: usize = 200;
    let name = text.rsplit(['/', '\\']).next()?.trim().trim_start_matches('.');
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    (!name.is_empty() && name.len() <= LONGEST).then_some(name)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::{
        matrix::{attachment, session::Session},
        secret::Secret,
    };

    /// Answers with these, one a connection, and closes it; what was asked for as a range.
    async fn answered(answers: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let mut ranges = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut asked, mut piece) = (String::new(), [0; 1024]);
                while !asked.contains("\r\n\r\n") {
                    let length = stream.read(&mut piece).await.unwrap();
                    asked.push_str(std::str::from_utf8(&piece[..length]).unwrap());
                }
                let range = asked.lines().find_map(|line| line.strip_prefix("range: "));
                ranges.push(range.unwrap_or_default().to_owned());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            ranges
        });
        (url, task)
    }

    async fn asked(url: String) -> Download {
        let session = Session {
            url,
            server_name: "x.org".try_into().unwrap(),
            user_id: "@a:x.org".try_into().unwrap(),
            device_id: "D".into(),
            access_token: Secret::new("t"),
            dendrite: false,
        };
        let client = Client::new(session, None, Duration::from_secs(10)).unwrap();
        Download::open(&client, "x.org", "id").await.unwrap()
    }

    async fn read(download: &mut Download) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(piece) = download.next().await? {
            bytes.extend(piece);
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn what_breaks_off_goes_on_behind_what_came_wherever_the_server_begins() {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234".to_owned();
        let part =
            "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 5-9/10\r\n\r\n56789";
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
        for rest in [part, whole] {
            let (url, task) = answered(vec![cut.clone(), rest.to_owned()]).await;
            let mut download = asked(url).await;
            assert_eq!(read(&mut download).await.unwrap(), b"0123456789");
            assert_eq!((download.bytes, download.broken), (10, 1));
            let hash = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
            assert_eq!(download.sha256(), hash);
            assert_eq!(task.await.unwrap(), ["", "bytes=5-"]);
        }
    }

    #[tokio::test]
    async fn what_is_sealed_is_opened_over_a_break_and_refused_where_it_was_altered() {
        // What seals also opens.
        let mut clear = b"0123456789".to_vec();
        let mut file = attachment::seal(&mut clear).file("mxc://x.org/id");
        file["hashes"]["sha256"] = "hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII".into();
        let key = Key::of(&file).unwrap();
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234";
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
        for (rest, is_same) in [(whole.to_owned(), true), (whole.replace('9', "8"), false)] {
            let (url, _) = answered(vec![cut.to_owned(), rest]).await;
            let mut download = asked(url).await;
            download.opened_with(&key);
            match read(&mut download).await {
                Ok(opened) => assert!(is_same && opened == clear),
                Err(error) => assert!(!is_same && error.to_string().contains("mxc://x.org/id")),
            }
        }
    }

    #[test]
    fn a_name_is_read_and_leads_nowhere_else() {
        for (disposition, name) in [
            ("inline; filename=report.pdf", Some("report.pdf")),
            ("attachment; filename=\"a b.txt\"", Some("a b.txt")),
            ("inline; filename*=utf-8''%C3%BCber%20uns.png", Some("über uns.png")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename*=utf-8''..%2F.bashrc", Some("bashrc")),
            ("attachment; filename=..", None),
            ("inline", None),
            ("inline; filename*=utf-8''%FF", None),
        ] {
            assert_eq!(filename(disposition).as_deref(), name, "{disposition}");
        }
    }
}
