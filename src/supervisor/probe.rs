//! Asks processes how they are. An answer is `Ok`, or a clause that says what is wrong.

use std::{ops::Range, path::Path, time::Duration};

use serde::Deserialize;
use tokio::{net::TcpStream, time::timeout};

use super::{get, get::Said, job, service::Probe};
use crate::{files, process, secret::Secret};

/// How long an answer may take, where nothing else is said.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) type Answer = Result<(), String>;

/// Asks once. [`Probe::Notify`] and [`Probe::Lasts`] cannot be asked, only waited for, and are always
/// well here.
pub(crate) async fn ask(probe: &Probe, plain: &job::Variables) -> Answer {
    let (probe, patience) = match probe {
        Probe::Within(probe, patience) => (&**probe, *patience),
        probe => (probe, PATIENCE),
    };
    let asked = timeout(patience, async {
        match probe {
            Probe::Notify | Probe::Lasts(_) | Probe::Within(..) => Ok(()),
            Probe::Web(url) => http(url, None, None, 200..400).await,
            Probe::Exec(launch) => {
                let mut command = job::command(launch, plain);
                process::tool(&mut command).await.map(drop).map_err(|error| error.to_string())
            }
            Probe::Tcp(address) => match TcpStream::connect(address).await {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("`{address}` cannot be reached: {error}")),
            },
            Probe::Http { url, socket, bearer_file } => {
                http(url, socket.as_deref(), bearer_file.as_deref(), 0..500).await
            }
            Probe::Line { path, number, reads } => line(path, *number, reads),
        }
    });
    asked.await.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs_f64())))
}

fn line(path: &Path, number: usize, reads: &str) -> Answer {
    let text = files::read_if_exists(path).map_err(|error| error.to_string())?;
    let text = text.ok_or_else(|| format!("`{}` does not exist yet", path.display()))?;
    match text.lines().nth(number.saturating_sub(1)).map(str::trim) {
        Some(line) if line == reads => Ok(()),
        Some(line) => Err(format!("it says `{line}`")),
        None => Err("it has not said how it is".to_owned()),
    }
}

#[derive(Deserialize)]
struct Session {
    access_token: Secret,
}

/// The token of a session file; while there is none, one that nobody has, each time another, so
/// that the answer cannot come out of a cache.
fn bearer(file: &Path) -> Secret {
    let session = files::read(file).ok().and_then(|text| serde_json::from_str(&text).ok());
    session
        .map_or_else(|| Secret::generate(&mut rand::rng()), |session: Session| session.access_token)
}

async fn http(
    url: &str,
    socket: Option<&Path>,
    bearer_file: Option<&Path>,
    good: Range<u16>,
) -> Answer {
    match get(url, socket, bearer_file.map(bearer).as_ref()).await {
        Ok(Some(said)) if good.contains(&said.status) => Ok(()),
        Ok(Some(Said { status, detail: None })) => Err(format!("`{url}` answers {status}")),
        Ok(Some(Said { detail: Some(why), .. })) => Err(why),
        Ok(None) => Err(format!("`{url}` does not speak HTTP")),
        Err(error) => Err(format!("`{url}` does not answer: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::{self, Server};

    async fn http_probe(status: u16) -> Answer {
        let server = Server::start().await;
        server.answers(canned::Answer::new(status, "").for_token("t0ken"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("operator.json");
        files::write_atomically(&file, br#"{"access_token":"t0ken","url":""}"#, files::PRIVATE)
            .unwrap();
        let probe = Probe::Http {
            url: format!("{}/whoami", server.url()),
            socket: None,
            bearer_file: Some(file),
        };
        ask(&probe, &job::Variables::default()).await
    }

    #[tokio::test]
    async fn an_http_answer_below_500_is_good() {
        http_probe(200).await.unwrap();
        http_probe(401).await.unwrap();
        let error = http_probe(500).await.unwrap_err();
        assert!(error.ends_with("/whoami` answers 500"), "{error}");
    }

    #[tokio::test]
    async fn nobody_there_is_said_so() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let probe = Probe::Tcp(address);
        ask(&probe, &job::Variables::default()).await.unwrap();
        drop(listener);
        let error = ask(&probe, &job::Variables::default()).await.unwrap_err();
        assert!(error.contains("cannot be reached"), "{error}");
    }

    #[tokio::test]
    async fn a_line_of_a_file_is_compared_without_its_blanks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postmaster.pid");
        let probe = Probe::Line { path: path.clone(), number: 2, reads: "ready".to_owned() };
        assert!(ask(&probe, &job::Variables::default()).await.is_err());
        files::write_atomically(&path, b"1\nstarting\n", files::PRIVATE).unwrap();
        let error = ask(&probe, &job::Variables::default()).await.unwrap_err();
        assert_eq!(error, "it says `starting`");
        files::write_atomically(&path, b"1\nready   \n", files::PRIVATE).unwrap();
        ask(&probe, &job::Variables::default()).await.unwrap();
    }
}
