//! Making the cluster: beside its place, then renamed, so that a killed run leaves nothing half-made.

use std::{fs, path::Path};

use rand::rng;

use super::{super::Error, SUPERUSER, binaries, cluster, exists, runner, settings, text};
use crate::{config::Config, files, process, secret::Secret};

/// Makes the cluster if it is not there; true if it did.
pub(crate) async fn create(config: &Config) -> Result<bool, Error> {
    let data = &config.data;
    let place = cluster(data);
    if exists(data) {
        return Ok(false);
    }
    if fs::read_dir(&place).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::NotACluster(place));
    }
    let binaries = binaries::find(data).await?;
    let runner = runner::choose(data).await?;
    // The initdb of a killed run may still be at work, so each has a name of its own.
    for left in fs::read_dir(data.postgres()).into_iter().flatten().flatten() {
        if left.file_name().to_string_lossy().starts_with("data.new") {
            drop(files::remove(&left.path()));
        }
    }
    let new = data.postgres().join(format!("data.new-{}", std::process::id()));
    files::remove(&new)?;
    // initdb reads the password as the account it runs as; the file lies in a closed folder.
    let password = Removed(&data.postgres().join("password.new"));
    Secret::read_or_generate(&data.superuser_password(), &mut rng())?.write(password.0)?;
    runner.give(password.0)?;
    let (program, args) = runner.wrap(
        &binaries.program("initdb"),
        &[
            "--encoding=UTF8",
            // Synapse refuses every other collation: its indices must not change with the system's.
            "--locale=C",
            "--auth=scram-sha-256",
            "--data-checksums",
            "--no-instructions",
            &format!("--username={SUPERUSER}"),
            &format!("--pwfile={}", text(password.0)),
            &format!("--pgdata={}", text(&new)),
        ],
    );
    process::tool(process::command(program).args(args).env("LC_ALL", "C")).await?;
    settings::include(&new, runner)?;
    files::remove(&place)?;
    fs::rename(&new, &place).map_err(files::Error::io("rename", &new))?;
    let parent = data.postgres();
    fs::File::open(&parent)
        .and_then(|folder| folder.sync_all())
        .map_err(files::Error::io("save", &parent))?;
    Ok(true)
}

struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // The folder is closed and the secret is kept elsewhere too: what stays is no leak.
        drop(files::remove(self.0));
    }
}
