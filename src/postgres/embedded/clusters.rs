//! Which clusters of our own there are: the one in use, and those that were in use before.

use std::path::{Path, PathBuf};

use super::cluster;
use crate::{data_dir::DataDir, files};

/// The major version of a cluster.
pub(super) fn version(cluster: &Path) -> Option<u32> {
    files::read_if_exists(&cluster.join("PG_VERSION")).ok()??.trim().parse().ok()
}

/// Of the cluster that is in use.
pub(crate) fn current(data: &DataDir) -> Option<u32> {
    version(&cluster(data))
}

/// The place of a cluster that is kept.
pub(super) fn kept(data: &DataDir, major: u32) -> PathBuf {
    data.postgres().join(format!("data.{major}"))
}

/// The clusters that are kept, by the versions that their names say.
pub(crate) fn all_kept(data: &DataDir) -> Vec<(u32, PathBuf)> {
    let paths = files::entries(&data.postgres()).unwrap_or_default();
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        Some((name.strip_prefix("data.")?.parse().ok()?, path))
    };
    paths.into_iter().filter_map(named).collect()
}

/// The versions of the cluster in use and of those that are kept.
pub(super) fn all(data: &DataDir) -> impl Iterator<Item = u32> {
    current(data).into_iter().chain(all_kept(data).into_iter().map(|(major, _)| major))
}
