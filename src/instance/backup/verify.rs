//! Whether what was brought back is what went in: counted and hashed before Synapse first starts on it.

use std::{fs::File, io, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::Error;
use crate::{
    backup::{Manifest, blobs::summed, manifest::Counts},
    config::Config,
    data_dir::DataDir,
    error::Failure,
    files, postgres,
    postgres::dump,
    synapse::keys,
};

/// What was compared.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Compared {
    pub(crate) counts: Counts,
    /// Files that were sent and are there.
    pub(crate) media: usize,
    /// Of these, those whose content was compared with the hash that Synapse noted.
    pub(crate) hashed: usize,
    /// Ids of media that the database knows and that are not there: they were missing when the backup was made.
    pub(crate) missing: Vec<String>,
}

/// Compares a restored homeserver that has not been started with what the backup says of itself.
pub(crate) async fn compare(
    config: &Config,
    manifest: &Manifest,
    deadline: Instant,
) -> Result<Compared, Failure> {
    let looked = postgres::with_server(config, deadline, async || {
        Ok((dump::counts(config).await?, dump::media(config).await?))
    });
    let ([users, rooms, events, media], known) = looked.await?;
    let counts = Counts { users, rooms, events, media };
    if counts != manifest.counts {
        let what = format!("{counts:?} instead of {:?}", manifest.counts);
        return Err(Error::Differs(what).into());
    }
    let key = keys::id(&files::read(&config.data.signing_key())?).unwrap_or_default();
    if key != manifest.key {
        return Err(Error::Differs(format!("its key is {key}, not {}", manifest.key)).into());
    }
    let mut compared = Compared { counts, media: 0, hashed: 0, missing: Vec::new() };
    for (id, noted) in known {
        let path = medium(&config.data, &id);
        let Some(found) = sum(&path)? else {
            compared.missing.push(id);
            continue;
        };
        compared.media += 1;
        if let Some(noted) = noted {
            if noted != found {
                return Err(Error::Differs(format!("the file `{id}` has another content")).into());
            }
            compared.hashed += 1;
        }
    }
    Ok(compared)
}

/// Where Synapse keeps a file that was sent here.
pub(crate) fn medium(data: &DataDir, id: &str) -> PathBuf {
    let part = |range| id.get(range).unwrap_or_default();
    let folder = data.media().join("local_content").join(part(0..2)).join(part(2..4));
    folder.join(id.get(4..).unwrap_or_default())
}

fn sum(path: &std::path::Path) -> Result<Option<String>, files::Error> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(files::Error::io("read", path))?,
    };
    let (sum, _) = summed(&mut file).map_err(files::Error::io("read", path))?;
    Ok(Some(sum))
}
