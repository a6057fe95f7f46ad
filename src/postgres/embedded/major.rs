//! Another major version for the cluster: a new one is made beside it and filled, and takes its place by one
//! exchange of two names. Killed anywhere, what is in the place is whole: the old one or the new one. The old
//! one is kept beside, and comes back the same way.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    super::Error,
    SUPERUSER, Temporary, binaries, cluster,
    clusters::{all_kept, current, kept, version},
    create, exists, history, runner, settings, stray,
};
use crate::{
    config::{Config, sections::database::Kind},
    data_dir::DataDir,
    files, python,
};

/// Read after all other settings while the new cluster is filled: what is not in its place yet may be lost, and
/// nothing of it is archived.
const FILLING: (&str, &str) = (
    "99-filling.conf",
    "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\narchive_mode = off\nautovacuum = off\n",
);

/// The newest that is on this machine, or in our own environment.
pub(crate) async fn newest(data: &DataDir) -> Option<u32> {
    binaries::all(data).await.into_iter().map(|binaries| binaries.major).max()
}

/// Where a new cluster is made.
fn scratch(data: &DataDir) -> DataDir {
    DataDir::new(data.root().join(".upgrading"))
}

/// How much room a new one needs, in bytes: what the old one's databases take, their write-ahead log, and some
/// more.
pub(crate) fn needs(data: &DataDir) -> u64 {
    const LOG: u64 = 1 << 30;
    size(&cluster(data).join("base"), 8) * 11 / 10 + LOG
}

fn size(folder: &Path, depth: u32) -> u64 {
    let of = |path: &PathBuf| match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() && depth > 0 => size(path, depth - 1),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    files::entries(folder).unwrap_or_default().iter().map(of).sum()
}

/// Finishes what a killed run had begun, or takes it away, as soon as the server that it ran there has ended.
pub(crate) async fn heal(data: &DataDir) -> Result<(), Error> {
    let scratch = scratch(data);
    let beside = cluster(&scratch);
    stray::gone(&scratch).await?;
    if let (Some(left), Some(now)) = (version(&beside), current(data))
        && left < now
    {
        keep(data, &beside, left)?;
    }
    if scratch.root().exists() {
        clear(&scratch)?;
    }
    for (named, path) in all_kept(data) {
        if let Some(major) = version(&path)
            && major != named
        {
            keep(data, &path, major)?;
        }
    }
    Ok(())
}

fn clear(scratch: &DataDir) -> Result<(), files::Error> {
    if scratch.sockets() != scratch.run() {
        files::remove(&scratch.sockets())?;
    }
    files::remove(scratch.root())
}

/// Gives a cluster that is out of use the name of its version.
fn keep(data: &DataDir, path: &Path, major: u32) -> Result<PathBuf, files::Error> {
    let to = kept(data, major);
    files::remove(&to)?;
    fs::rename(path, &to).map_err(files::Error::io("rename", path))?;
    Ok(to)
}

/// A new cluster of the newest version beside the old one, with the operator's settings and the superuser's
/// password of that.
pub(crate) async fn beside(config: &Config) -> Result<Config, Error> {
    let data = &config.data;
    let mut other = config.clone();
    other.data = scratch(data);
    other.database.kind = Kind::Embedded;
    let scratch = &other.data;
    scratch.create()?;
    python::lend(&data.environments(), &scratch.environments())?;
    let password = files::read(&data.superuser_password())?;
    files::write_atomically(&scratch.superuser_password(), password.as_bytes(), files::PRIVATE)?;
    if exists(scratch) {
        return Err(Error::NotACluster(cluster(scratch)));
    }
    create(&other).await?;
    let runner = runner::choose(scratch).await?;
    settings::take_over(&cluster(data), &cluster(scratch), runner)?;
    let (name, text) = FILLING;
    settings::add(&cluster(scratch), name, text, runner)?;
    Ok(other)
}

/// Both servers run, each on its socket alone.
pub(in crate::postgres) struct Both(Temporary, Temporary);

impl Both {
    pub(in crate::postgres) async fn start(
        old: &Config,
        new: &Config,
        deadline: tokio::time::Instant,
    ) -> Result<Self, Error> {
        let first = Temporary::start(old, deadline).await?;
        match Temporary::start(new, deadline).await {
            Ok(second) => Ok(Self(first, second)),
            Err(error) => {
                first.stop().await?;
                Err(error)
            }
        }
    }

    pub(in crate::postgres) async fn stop(self) -> Result<(), Error> {
        let (first, second) = (self.0.stop().await, self.1.stop().await);
        first.and(second)
    }
}

/// The new cluster takes the place of the old one, which is kept: where.
pub(crate) fn switch(config: &Config, other: &Config) -> Result<PathBuf, Error> {
    let data = &config.data;
    let new = cluster(&other.data);
    let old = current(data).ok_or(Error::NoCluster)?;
    settings::forget(&new, FILLING.0)?;
    if let Some(major) = version(&new) {
        // What another cluster of that version wrote before is of no use to this one, and would be in its way.
        files::remove(&history::of_major(data, major))?;
    }
    files::settle(&new)?;
    files::exchange(&new, &cluster(data))?;
    let kept = keep(data, &new, old)?;
    clear(&other.data)?;
    Ok(kept)
}

/// An old cluster that is kept comes back, and the one in use is kept instead: its version and where it is.
pub(crate) fn go_back(data: &DataDir) -> Result<Option<(u32, PathBuf)>, Error> {
    let now = current(data).ok_or(Error::NoCluster)?;
    let Some((old, path)) = all_kept(data).into_iter().filter(|(major, _)| *major < now).max()
    else {
        return Ok(None);
    };
    files::exchange(&path, &cluster(data))?;
    Ok(Some((old, keep(data, &path, now)?)))
}

/// Gives up a new cluster.
pub(crate) fn give_up(config: &Config) -> Result<(), files::Error> {
    clear(&scratch(&config.data))
}

/// Who may do all in a cluster.
pub(in crate::postgres) fn superuser() -> &'static str {
    SUPERUSER
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data folder with clusters, which are only their versions.
    fn folder(clusters: &[(&str, &str)]) -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        for (path, version) in clusters {
            let path = folder.path().join(path);
            fs::create_dir_all(&path).unwrap();
            files::write_atomically(&path.join("PG_VERSION"), version.as_bytes(), files::PRIVATE)
                .unwrap();
        }
        (folder, data)
    }

    #[tokio::test]
    async fn killed_before_the_exchange_the_old_one_is_whole_and_after_it_the_new_one() {
        let (_folder, data) =
            folder(&[("postgres/data", "15\n"), (".upgrading/postgres/data", "18\n")]);
        heal(&data).await.unwrap();
        assert_eq!((current(&data), all_kept(&data).len()), (Some(15), 0));
        assert!(!data.root().join(".upgrading").exists());
        let (_folder, data) =
            folder(&[("postgres/data", "18\n"), (".upgrading/postgres/data", "15\n")]);
        heal(&data).await.unwrap();
        assert_eq!(current(&data), Some(18));
        assert_eq!(version(&kept(&data, 15)), Some(15));
        assert!(!data.root().join(".upgrading").exists());
    }

    #[tokio::test]
    async fn an_old_one_comes_back_and_the_new_one_is_kept_instead() {
        let (_folder, data) = folder(&[
            ("postgres/data", "18\n"),
            ("postgres/data.15", "15\n"),
            ("postgres/data.14", "14\n"),
        ]);
        let (old, new) = go_back(&data).unwrap().unwrap();
        assert_eq!((old, current(&data), version(&new)), (15, Some(15), Some(18)));
        // As one that was killed between the exchange and the name.
        fs::rename(&new, kept(&data, 15)).unwrap();
        heal(&data).await.unwrap();
        assert_eq!(version(&kept(&data, 18)), Some(18));
        assert_eq!(go_back(&data).unwrap().unwrap().0, 14);
        assert!(go_back(&data).unwrap().is_none());
    }

    #[test]
    fn room_is_asked_for_by_what_the_databases_take() {
        let (_folder, data) = folder(&[("postgres/data", "15\n")]);
        let base = cluster(&data).join("base/5");
        fs::create_dir_all(&base).unwrap();
        let before = needs(&data);
        files::write_atomically(&base.join("1"), &vec![0; 100_000], files::PRIVATE).unwrap();
        assert_eq!(needs(&data) - before, 110_000);
    }
}
