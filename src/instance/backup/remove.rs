//! Removing a backup, and with it the media that only it needed.

use crate::{
    backup::{
        Depot, Error, Source,
        blobs::{self, Swept},
    },
    files,
};

/// Removes it; the halves of killed ones beside it go as well. It may wait for the disk.
pub(crate) fn remove(source: &Source) -> Result<Swept, Error> {
    let Source { depot, name } = source;
    let is_incremental = blobs::is_incremental(name);
    let _lock = is_incremental.then(|| depot.lock("manage backup remove")).transpose()?;
    depot.remove(name)?;
    match depot {
        Depot::Folder(folder) => files::sweep(folder),
        Depot::Bucket(_) => {}
    }
    if is_incremental { blobs::sweep(depot) } else { Ok(Swept::default()) }
}
