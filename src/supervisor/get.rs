//! One HTTP GET whose status matters, and of a failure the reason, without the megabytes and the start-up time of a
//! whole client.

use std::{io, path::Path};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use crate::secret::Secret;

/// How much of a failure is read.
const LONGEST: usize = 4096;

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: u16,
    /// Why, where that is said as problem details (RFC 9457).
    pub(crate) detail: Option<String>,
}

/// What a plain `http://` address answers, or `socket` in its place; none where that is not HTTP. How long it
/// may take is for the caller to say.
pub(crate) async fn get(
    url: &str,
    socket: Option<&Path>,
    bearer: Option<&Secret>,
) -> io::Result<Option<Said>> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is not plain HTTP"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut request =
        format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: */*\r\n");
    if let Some(token) = bearer {
        request.push_str("Authorization: Bearer ");
        request.push_str(token.expose());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    match socket {
        None => exchange(TcpStream::connect(host).await?, &request).await,
        Some(path) => exchange(UnixStream::connect(path).await?, &request).await,
    }
}

/// Sends a request and reads the answer at least as far as its status, and one of a failure to its end.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> io::Result<Option<Said>> {
    let mut head = [0; LONGEST];
    let mut length = 0;
    stream.write_all(request.as_bytes()).await?;
    while length < 12 {
        match stream.read(&mut head[length..]).await? {
            0 => break,
            more => length += more,
        }
    }
    let Some(status) = status(&head[..length]) else { return Ok(None) };
    if status < 500 {
        return Ok(Some(Said { status, detail: None }));
    }
    while length < LONGEST {
        // What has come so far is all there is to be had.
        match stream.read(&mut head[length..]).await {
            Ok(0) | Err(_) => break,
            Ok(more) => length += more,
        }
    }
    Ok(Some(Said { status, detail: detail(&head[..length]) }))
}

/// `HTTP/1.1 200 OK`
fn status(head: &[u8]) -> Option<u16> {
    let head = String::from_utf8_lossy(head);
    head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.get(..3)?.parse().ok()
}

fn detail(answer: &[u8]) -> Option<String> {
    let answer = std::str::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let is_problem = head.to_ascii_lowercase().contains("application/problem+json");
    let body: Value = is_problem.then(|| serde_json::from_str(body).ok())??;
    body["detail"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_status_and_the_reason_of_a_failure_are_read_and_what_is_no_http_has_none() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/health", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let problem = "HTTP/1.1 503 No\r\nContent-Type: application/problem+json\r\n\r\n";
            for answer in [
                &["HTTP/1.", "0 200 OK\r\n\r\n"][..],
                &["HTTP/1.1 503"],
                &[problem, r#"{"detail":"#, r#""it is full"}"#],
                &["SSH-2.0\r\n"],
            ] {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
                for part in answer {
                    stream.write_all(part.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        for expected in
            [Some((200, None)), Some((503, None)), Some((503, Some("it is full"))), None]
        {
            let expected =
                expected.map(|(status, detail)| Said { status, detail: detail.map(str::to_owned) });
            assert_eq!(get(&url, None, None).await.unwrap(), expected);
        }
        server.await.unwrap();
        get(&url, None, None).await.unwrap_err();
    }
}
