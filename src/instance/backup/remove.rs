//! Removing a backup, and with it the media that only it needed.

use super::store;
use crate::{
    backup::{
        Depot, Error, Source,
        sweep::{self, Swept},
    },
    files,
};

/// Removes it; the halves of killed ones beside it go as well. It may wait for the disk.
pub(crate) fn remove(source: &Source) -> Result<Swept, Error> {
    let Source { depot, name } = source;
    let needs_media = sweep::needs_media(source)?;
    let _lock = needs_media.then(|| depot.lock("manage backup remove")).transpose()?;
    // All others are looked at first: what cannot be read is no reason to stop half-way.
    let is_given = |name: &str| store::made_at(name).is_some();
    let plan = needs_media.then(|| sweep::plan(source, &is_given)).transpose()?;
    depot.remove(name)?;
    match depot {
        Depot::Folder(folder) => files::sweep(folder),
        Depot::Bucket(_) => {}
    }
    plan.map_or(Ok(Swept::default()), |plan| plan.sweep(depot))
}
