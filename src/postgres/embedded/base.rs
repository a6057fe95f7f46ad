//! Base backups of our own cluster, taken while it runs.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    process::Stdio,
};

use jiff::ToSpan as _;
use tar::Archive;
use tokio::task;
use zstd::{Decoder, Encoder};

use super::{
    super::{Error, Who, connect},
    SUPERUSER, binaries,
    history::{self, Base},
    socket_folder,
};
use crate::{
    clock,
    config::Config,
    files::{self, Growing},
    process,
    secret::Secret,
};

const LEVEL: i32 = 3;

/// Makes one of the server that runs, and removes what no moment within the window needs any more.
pub(crate) async fn make(config: &Config) -> Result<Base, Error> {
    const PROGRAM: &str = "pg_basebackup";
    let data = &config.data;
    let binaries = binaries::find(data).await?;
    let program = binaries.program(PROGRAM);
    if !process::is_program(&program) {
        return Err(Error::NoBase { major: binaries.major });
    }
    let mut admin = connect(config, Who::Admin).await?;
    let hands_over: bool = sqlx::query_scalar("SELECT current_setting('archive_mode') = 'on'")
        .fetch_one(&mut admin)
        .await
        .map_err(Error::query("say whether it hands over what it writes"))?;
    if !hands_over {
        return Err(Error::NotHandedOver);
    }
    // Whoever makes one is alone: a recovery that was killed has left this.
    files::remove(&history::beside(data))?;
    let folder = history::bases(data);
    files::sweep(&folder);
    let failed = |source| process::Error::Start { program: PROGRAM.to_owned(), source };
    let mut command = process::command(program);
    command
        // What is written meanwhile is kept anyway; it waits until that is so.
        .args(["--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast"])
        .args(["--no-password", "--label=resource-matrix-synapse"])
        .env("PGHOST", socket_folder(data))
        .env("PGPORT", config.database.embedded_port.to_string())
        .env("PGUSER", SUPERUSER)
        .env("PGPASSWORD", Secret::read(&data.superuser_password())?.expose())
        .env("LC_ALL", "C")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let output = child.stdout.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
    let mut output = File::from(output.into_owned_fd().map_err(failed)?);
    let half = folder.join("new");
    let file = Growing::beside(&half, files::PRIVATE)?;
    let written = task::spawn_blocking(move || {
        let mut encoder = Encoder::new(file, LEVEL)?;
        encoder.include_checksum(true)?;
        io::copy(&mut output, &mut encoder)?;
        encoder.finish()
    });
    let ended = child.wait_with_output().await.map_err(failed)?;
    let written = written.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    if !ended.status.success() {
        let last_words = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        let (program, status) = (PROGRAM.to_owned(), ended.status);
        return Err(Error::Tool(process::Error::Failed { program, status, last_words }));
    }
    let failed = |error| files::Error::io("write", &half)(error);
    written.map_err(failed)?.finish()?;
    let segment = first_segment(&half).map_err(failed)?;
    // Names have whole seconds: the next one is surely reached.
    let at = clock::now();
    let at = at.checked_add(1.second()).unwrap_or(at);
    let base = Base::new(data, at, segment);
    fs::rename(&half, &base.path).map_err(failed)?;
    let window = jiff::SignedDuration::try_from(config.backup.point_in_time_window.0);
    if let Some(from) = window.ok().and_then(|window| at.checked_sub(window).ok()) {
        history::prune(data, from)?;
    }
    Ok(base)
}

/// The file of the log that it begins with, as its label says.
fn first_segment(path: &Path) -> io::Result<String> {
    let mut archive = Archive::new(Decoder::new(File::open(path)?)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()? == Path::new("backup_label") {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            return segment_of(&text).ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn segment_of(label: &str) -> Option<String> {
    let line = label.lines().find(|line| line.starts_with("START WAL LOCATION: "))?;
    Some(line.split_once("(file ")?.1.split_once(')')?.0.to_owned())
}

/// Unpacks one into a folder that is made for it.
pub(super) fn unpack(base: &Base, to: &Path) -> Result<(), files::Error> {
    let failed = |error| files::Error::io("unpack", &base.path)(error);
    files::private_folder(to)?;
    let decoder = File::open(&base.path).and_then(Decoder::new).map_err(failed)?;
    let mut archive = Archive::new(decoder);
    archive.set_preserve_mtime(false);
    archive.set_preserve_ownerships(false);
    archive.unpack(to).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_of_the_log_is_read_from_the_label() {
        let label = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n";
        assert_eq!(segment_of(label).unwrap(), "000000010000000000000002");
        assert_eq!(segment_of("something else"), None);
    }
}
