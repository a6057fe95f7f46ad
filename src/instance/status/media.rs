//! What lies in the media folder, by what it is ([layout]).
//!
//! [layout]: https://element-hq.github.io/synapse/latest/development/media_repository.html

use std::{fs, io, path::Path};

use serde::Serialize;

use crate::{data_dir::DataDir, files};

/// Files of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(crate) struct Files {
    /// How many there are.
    pub(crate) count: u64,
    /// How large they are together, in bytes.
    pub(crate) bytes: u64,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(crate) struct Stored {
    /// What our own users have uploaded, and its thumbnails: it exists nowhere else.
    pub(crate) local: Files,
    pub(crate) local_thumbnails: Files,
    /// Of other servers, with thumbnails: it can be fetched again.
    pub(crate) remote: Files,
    pub(crate) remote_thumbnails: Files,
    /// What links lead to.
    pub(crate) previews: Files,
}

/// Counts what is there now; a file that goes away meanwhile does not count.
pub(crate) fn stored(data: &DataDir) -> Result<Stored, files::Error> {
    let of = |names: &[&str]| -> Result<Files, files::Error> {
        let mut found = Files::default();
        for name in names {
            let path = data.media().join(name);
            add(&path, &mut found).map_err(files::Error::io("read", &path))?;
        }
        Ok(found)
    };
    Ok(Stored {
        local: of(&["local_content"])?,
        local_thumbnails: of(&["local_thumbnails"])?,
        remote: of(&["remote_content"])?,
        remote_thumbnails: of(&["remote_thumbnail"])?,
        previews: of(&["url_cache", "url_cache_thumbnails"])?,
    })
}

fn add(folder: &Path, files: &mut Files) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(found) = entry.metadata() else { continue };
        if found.is_dir() {
            add(&entry.path(), files)?;
        } else {
            files.count += 1;
            files.bytes += found.len();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        assert_eq!(stored(&data).unwrap(), Stored::default());
        for (path, content) in [
            ("local_content/aa/bb/c", "12345"),
            ("local_thumbnails/aa/bb/c/32-32", "1"),
            ("url_cache/2026-01-01/x", "123"),
            ("url_cache_thumbnails/2026-01-01/x/1", "1"),
        ] {
            let path = data.media().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            files::write_atomically(&path, content.as_bytes(), files::PRIVATE).unwrap();
        }
        let found = stored(&data).unwrap();
        assert_eq!(found.local, Files { count: 1, bytes: 5 });
        assert_eq!(found.previews, Files { count: 2, bytes: 4 });
        assert_eq!(found.remote, Files::default());
    }
}
