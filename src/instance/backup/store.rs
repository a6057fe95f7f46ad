//! Where backups are, and how they are called.

use std::path::Path;

use super::Error;
use crate::{
    age,
    backup::{self, Depot, SUFFIX, Source, blobs, stem},
    clock,
    config::{Config, sections::backup::Place},
    error::Failure,
    files,
    s3::objects::Store,
};

/// Where a new backup goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Place(Place),
    /// To whoever reads our output.
    Stdout,
}

impl Target {
    /// What a person typed; the error completes "it …".
    pub(crate) fn typed(text: &str) -> Result<Self, String> {
        if text == "-" { Ok(Self::Stdout) } else { Place::typed(text).map(Self::Place) }
    }
}

/// What the names of all backups of this server begin with.
pub(super) fn own(config: &Config) -> String {
    format!("{}-", config.server.name.0.as_str().replace([':', '[', ']'], "_"))
}

/// What a new backup will be: a folder gets a name by server and time, anything else is the file itself. It may wait
/// for the disk.
pub(super) fn place(
    config: &Config,
    to: Option<&Place>,
    is_sealed: bool,
    is_incremental: bool,
) -> Result<Source, Failure> {
    let mark = if is_incremental { blobs::MARK } else { "" };
    let end = format!("{mark}{SUFFIX}{}", if is_sealed { age::SUFFIX } else { "" });
    let start = format!("{}{}", own(config), clock::stamp(clock::now()));
    let backups = Place::Folder(config.data.backups());
    let is_named = to.is_some();
    let path = match to.or(config.backup.to.as_ref()).unwrap_or(&backups) {
        Place::Folder(path) => path,
        Place::Bucket { bucket, prefix } => {
            let depot = Depot::Bucket(Store::of(config, bucket, prefix)?);
            return Ok(free(depot, &start, &end)?);
        }
    };
    let is_folder = path.is_dir() || !is_named;
    let folder = if is_folder { Some(path.as_path()) } else { path.parent() };
    let folder = folder.filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_ours = folder == config.data.backups();
    if !is_ours && !folder.is_dir() {
        return Err(Error::NoFolder(folder.to_owned()).into());
    }
    if !is_folder && path.file_name().and_then(|it| stem(it.to_str()?)).is_none_or(str::is_empty) {
        // Most of all it is a folder that was not made, or a disk that is not there.
        return Err(Error::NoName(path.clone()).into());
    }
    if !is_folder && is_incremental {
        return Err(Error::NoDepot(path.clone()).into());
    }
    if !is_folder {
        let source =
            Source::file(&files::absolute(folder)?.join(path.file_name().unwrap_or_default()))?;
        let is_free = source.size()?.is_none();
        return if is_free { Ok(source) } else { Err(Error::Exists(path.clone()).into()) };
    }
    // Our own is made when something is written there.
    let folder = if is_ours { folder.to_owned() } else { files::absolute(folder)? };
    let depot = Depot::Folder(folder);
    Ok(free(depot, &start, &end)?)
}

/// The first name that nothing has: two backups may be of the same second.
fn free(depot: Depot, start: &str, end: &str) -> Result<Source, backup::Error> {
    let mut name = format!("{start}{end}");
    let mut number = 1_u32;
    while depot.size(&name)?.is_some() {
        number += 1;
        name = format!("{start}-{number}{end}");
    }
    Ok(Source { depot, name })
}

/// The backups in a folder, oldest first by their names.
pub(crate) fn list(depot: &Depot) -> Result<Vec<(Source, u64)>, backup::Error> {
    let mut found = depot.names()?;
    found.retain(|(name, _)| stem(name).is_some() && !name.starts_with('.'));
    found.sort_by(|(one, _), (other, _)| stem(one).cmp(&stem(other)));
    let source = |(name, size)| (Source { depot: depot.clone(), name }, size);
    Ok(found.into_iter().map(source).collect())
}

/// Where the backups of a homeserver are, unless another place is named.
pub(crate) fn usual(config: &Config) -> Place {
    config.backup.to.clone().unwrap_or_else(|| Place::Folder(config.data.backups()))
}

/// When one was made, as its name says: `x.org-20261121T044123Z-2` is of 2026-11-21T04:41:23Z.
pub(crate) fn made_at(name: &str) -> Option<String> {
    let stem = stem(name)?;
    let stem = stem.strip_suffix(blobs::MARK).unwrap_or(stem);
    let parts = stem.rsplit('-').take(2);
    let at = parts.filter_map(|part| jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", part).ok());
    at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).next()
}

/// The backup that a person named, in words that mean the same in every folder: a file, or one in a bucket.
pub(crate) fn named(
    config: impl FnOnce() -> Result<Config, Failure>,
    file: &Path,
) -> Result<Source, Failure> {
    let text = file.to_str().unwrap_or_default();
    if text == "-" {
        return Err(Failure::request(
            "a backup is not read from a pipe: it is read more than once",
        )
        .hinted("write it into a file first, and name that"));
    }
    match Place::typed(text) {
        Ok(Place::Folder(_)) => {
            let path = files::absolute(file)?;
            Ok(Source::file(&path)?)
        }
        Ok(Place::Bucket { bucket, prefix }) if !prefix.is_empty() => {
            let (prefix, name) = prefix.rsplit_once('/').unwrap_or(("", &prefix));
            let depot = Depot::Bucket(Store::of(&config()?, &bucket, prefix)?);
            Ok(Source { depot, name: name.to_owned() })
        }
        Ok(Place::Bucket { .. }) | Err(_) => {
            Err(Failure::request(format!("`{text}` names no backup"))
                .hinted("`manage backup list --to s3://BUCKET/PREFIX` shows those there are"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_backups_of_one_second_have_two_names() {
        let folder = tempfile::tempdir().unwrap();
        let depot = Depot::Folder(folder.path().to_owned());
        let put = |path: &Path| files::write_atomically(path, b"x", files::PRIVATE).unwrap();
        let mut names = Vec::new();
        for _ in 0..3 {
            let Source { name, .. } =
                free(depot.clone(), "x-20261121T044123Z", ".tar.zst").unwrap();
            put(&folder.path().join(&name));
            names.push(name);
        }
        assert_eq!(names[2], "x-20261121T044123Z-3.tar.zst");
        put(&folder.path().join("x-20261121T044124Z.tar.zst.age"));
        put(&folder.path().join(".x-20261121T044124Z.tar.zst.1-2"));
        let listed: Vec<String> =
            list(&depot).unwrap().into_iter().map(|(it, _)| it.name).collect();
        assert_eq!(listed[..3], names, "oldest first");
        assert_eq!(listed.len(), 4);
    }

    #[test]
    fn when_one_was_made_is_in_its_name() {
        let at = Some("2026-11-21T04:41:23Z".to_owned());
        assert_eq!(made_at("x.org-20261121T044123Z.tar.zst"), at);
        assert_eq!(made_at("x-y.org-20261121T044123Z-2.tar.zst.age"), at);
        assert_eq!(made_at("x.org-20261121T044123Z.inc.tar.zst"), at);
        assert_eq!(made_at("mine.tar.zst"), None);
        assert_eq!(made_at("x.org-20261121T044123Z"), None);
    }
}
