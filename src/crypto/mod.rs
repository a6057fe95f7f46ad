//! The service that keeps the keys of our accounts, asked over its socket: it encrypts what they say and decrypts what
//! they are told. It is a program of its own, in `crypto/`, so that no command carries what only encrypted rooms need.

mod wire;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};
pub(crate) use wire::{
    Account, Answer, Device, Failed, Fault, NOTE, Opened, Question, Request, Signed, Stage, Trust,
    Trusted, Verify,
};

use crate::{data_dir::DataDir, files};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the service `crypto` does not run")]
    Away,
    #[error("the service `crypto` gave no answer within {} seconds", .0.as_secs())]
    Late(Duration),
    #[error("the service `crypto` ended before it answered")]
    Broken(#[source] io::Error),
    #[error("what the service `crypto` answers cannot be understood")]
    Unclear(#[source] serde_json::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

/// The program, which lies beside ours where it was built.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name("resource-matrix-crypto");
    path.is_file().then_some(path)
}

/// Where it answers.
pub(crate) fn socket(data: &DataDir) -> PathBuf {
    data.sockets().join("crypto.sock")
}

/// Where it keeps what is of this installation alone.
pub(crate) fn stores(data: &DataDir) -> PathBuf {
    data.keys().join("stores")
}

/// What it keeps of a device.
pub(crate) fn store(data: &DataDir, localpart: &str, device: &str) -> PathBuf {
    stores(data).join(wire::plain(localpart)).join(wire::plain(device))
}

/// Where it keeps what an account is known by, also on another machine.
pub(crate) fn identities(data: &DataDir) -> PathBuf {
    data.secret("identities")
}

/// Asks; what comes back may be that it could not.
pub(crate) async fn ask(data: &DataDir, question: &Question) -> Result<Answer, Error> {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotADirectory, NotFound};
    let socket = socket(data);
    let stream = UnixStream::connect(&socket).await.map_err(|error| match error.kind() {
        // It may also end before it has taken up whoever has just come.
        NotFound | ConnectionRefused | ConnectionReset | NotADirectory => Error::Away,
        _ => unreachable_by(&socket, error),
    })?;
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(question).map_err(Error::Unclear)?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(Error::Broken)?;
    let answer = BufReader::new(read).lines().next_line().await.map_err(Error::Broken)?;
    let answer = answer.ok_or_else(|| Error::Broken(io::ErrorKind::UnexpectedEof.into()))?;
    serde_json::from_str(&answer).map_err(Error::Unclear)
}

fn unreachable_by(socket: &Path, error: io::Error) -> Error {
    files::Error::io("reach the service `crypto` on", socket)(error).into()
}
