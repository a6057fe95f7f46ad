//! One HTTP GET whose status alone matters, without the megabytes and the start-up time of a whole client.

use std::{io, path::Path};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use crate::secret::Secret;

/// The status with which a plain `http://` address answers, or `socket` in its place; none where that is
/// not HTTP. How long it may take is for the caller to say.
pub(crate) async fn get(
    url: &str,
    socket: Option<&Path>,
    bearer: Option<&Secret>,
) -> io::Result<Option<u16>> {
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

/// Sends a request and reads the first line of the answer, at least as far as its status.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> io::Result<Option<u16>> {
    let mut head = [0; 256];
    let mut length = 0;
    stream.write_all(request.as_bytes()).await?;
    while length < 12 {
        match stream.read(&mut head[length..]).await? {
            0 => break,
            more => length += more,
        }
    }
    // `HTTP/1.1 200 OK`
    let head = String::from_utf8_lossy(&head[..length]);
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.get(..3));
    Ok(status.and_then(|status| status.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_status_is_read_and_what_is_no_http_has_none() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/health", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for answer in
                [&["HTTP/1.", "0 200 OK\r\n\r\n"][..], &["HTTP/1.1 503"], &["SSH-2.0\r\n"]]
            {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
                for part in answer {
                    stream.write_all(part.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        for expected in [Some(200), Some(503), None] {
            assert_eq!(get(&url, None, None).await.unwrap(), expected);
        }
        server.await.unwrap();
        get(&url, None, None).await.unwrap_err();
    }
}
