//! Whether what was brought back is what went in: counted, and the sums of what was unpacked compared with those that
//! Synapse noted, before it first starts on it.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::Error;
use crate::{
    backup::{Manifest, manifest::Counts, sums::Listed},
    config::Config,
    data_dir::DataDir,
    error::Failure,
    files, postgres,
    postgres::dump,
    synapse::keys,
};

/// What was compared.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Compared {
    pub(crate) counts: Counts,
    /// Files that were sent and are there.
    pub(crate) media: usize,
    /// Of these, those whose content was compared with the hash that Synapse noted.
    pub(crate) hashed: usize,
    /// Ids of media that the database knows and that are not there: they were missing when the backup was made.
    pub(crate) missing: Vec<String>,
}

/// Compares a restored homeserver that has not been started with what the backup says of itself. `sums` is the list
/// of what was unpacked of the media, in their order.
pub(crate) async fn compare(
    config: &Config,
    manifest: &Manifest,
    sums: &Path,
    deadline: Instant,
) -> Result<Compared, Failure> {
    let mut media =
        Media { listed: Listed::open(sums)?, next: None, compared: Compared::default() };
    let looked = postgres::with_server(config, deadline, async || {
        let counts = dump::counts(config).await?;
        let mut differs = Ok(());
        dump::media(config, &mut |id, noted| {
            if differs.is_ok() {
                differs = media.compare(id, noted);
            }
        })
        .await?;
        Ok((counts, differs))
    });
    let ([users, rooms, events, files], differs) = looked.await?;
    let counts = Counts { users, rooms, events, media: files };
    if counts != manifest.counts {
        let what = format!("{counts:?} instead of {:?}", manifest.counts);
        return Err(Error::Differs(what).into());
    }
    let key = keys::id(&files::read(&config.data.signing_key())?).unwrap_or_default();
    if key != manifest.key {
        return Err(Error::Differs(format!("its key is {key}, not {}", manifest.key)).into());
    }
    differs?;
    Ok(Compared { counts, ..media.compared })
}

/// What was unpacked of the media, and what was found of it, in the order of their ids: neither list is in memory.
struct Media {
    listed: Listed,
    next: Option<(String, String)>,
    compared: Compared,
}

impl Media {
    /// Compares one that the database knows.
    fn compare(&mut self, id: &str, noted: Option<&str>) -> Result<(), Failure> {
        while self.next.as_ref().is_none_or(|(next, _)| next.as_str() < id) {
            let Some(listed) = self.listed.next() else {
                self.next = None;
                break;
            };
            let (name, sum) = listed?;
            // Two folders are the first four letters of the id.
            let id: String = name.iter().map(|part| part.to_string_lossy()).collect();
            self.next = Some((id, sum));
        }
        let found = self.next.take_if(|(next, _)| next == id);
        let Some((_, found)) = found else {
            self.compared.missing.push(id.to_owned());
            return Ok(());
        };
        self.compared.media += 1;
        if let Some(noted) = noted {
            if noted != found {
                return Err(Error::Differs(format!("the file `{id}` has another content")).into());
            }
            self.compared.hashed += 1;
        }
        Ok(())
    }
}

/// Where Synapse keeps a file that was sent here.
pub(crate) fn medium(data: &DataDir, id: &str) -> PathBuf {
    let part = |range| id.get(range).unwrap_or_default();
    let folder = data.media().join("local_content").join(part(0..2)).join(part(2..4));
    folder.join(id.get(4..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_knows_is_found_in_the_list_and_what_is_missing_named() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        let lines = "00  Ab/Cd/first\n11  Ab/Cd/unknown\n22  Zz/Zz/last\n33  ab/cd/small\n";
        files::write_atomically(&list, lines.as_bytes(), files::PRIVATE).unwrap();
        let open = || Media {
            listed: Listed::open(&list).unwrap(),
            next: None,
            compared: Compared::default(),
        };
        let mut media = open();
        let known = [
            ("AaAaBefore", None),
            ("AbCdfirst", Some("00")),
            ("AbCdsecond", None),
            ("ZzZzlast", None),
            ("abcdsmall", Some("33")),
            ("zzzzafter", Some("44")),
        ];
        for (id, noted) in known {
            media.compare(id, noted).unwrap();
        }
        let Compared { media, hashed, missing, .. } = media.compared;
        assert_eq!((media, hashed), (3, 2));
        assert_eq!(missing, ["AaAaBefore", "AbCdsecond", "zzzzafter"]);
        let other = open().compare("AbCdfirst", Some("01")).unwrap_err();
        assert!(other.to_string().contains("`AbCdfirst`"));
    }
}
