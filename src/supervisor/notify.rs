//! `sd_notify(3)`, both ways: services say when they are ready, and we say it to who started us.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram as Sender},
        },
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixDatagram;

use crate::{data_dir::DataDir, files};

/// The variable that names the socket.
pub(crate) const VARIABLE: &str = "NOTIFY_SOCKET";

/// Where the service in that place says that it is ready.
pub(crate) fn socket(data: &DataDir, place: usize) -> PathBuf {
    data.sockets().join(format!("notify.{place}"))
}

/// Listens for one service; an older socket of that path is replaced.
pub(crate) fn listen(path: &Path) -> io::Result<UnixDatagram> {
    files::remove(path).map_err(io::Error::other)?;
    UnixDatagram::bind(path)
}

/// Waits until the service says that it is ready.
pub(crate) async fn ready(socket: UnixDatagram) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
            return Ok(());
        }
    }
}

/// Tells who started us (systemd, a container's init) how we are.
pub(crate) fn tell(socket: &OsStr, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    Sender::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readiness_arrives_among_other_news() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = listen(&path).unwrap();
        tell(path.as_os_str(), "STATUS=loading").unwrap();
        tell(path.as_os_str(), "MAINPID=1\nREADY=1").unwrap();
        ready(socket).await.unwrap();
    }
}
