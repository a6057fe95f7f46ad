//! `manage backup list`.

use std::{borrow::Cow, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    opening::{Seen, look, waiting},
    restore::shown,
};
use crate::{
    age::Keys,
    backup::{Depot, Error, Manifest, Source, blobs, record::Record},
    commands::listing::{List, ListArgs, Listed},
    error::Failure,
    instance::backup::store,
    output::Row,
};

/// A backup that there is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Kept {
    pub(super) path: PathBuf,
    /// In bytes.
    pub(super) size: u64,
    /// When its database was as it is in there: RFC 3339, UTC. Of one that cannot be opened, what its name says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) made_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_name: Option<String>,
    pub(super) encrypted: bool,
    /// Whether its media lie beside it.
    pub(super) incremental: bool,
    /// What keeps it from being read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fault: Option<String>,
    /// What it says of itself; nothing where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manifest: Option<Manifest>,
    /// What came out of it when it was last tried on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tried: Option<Tried>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Tried {
    /// RFC 3339, UTC.
    at: String,
    good: bool,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl Kept {
    pub(super) fn of(source: &Source, seen: Seen) -> Self {
        let Seen { manifest, is_encrypted: encrypted, size } = seen;
        Self {
            path: source.path(),
            size,
            made_at: Some(manifest.made_at.clone()),
            server_name: Some(manifest.server_name.clone()),
            encrypted,
            incremental: manifest.media_apart.is_some(),
            fault: None,
            manifest: Some(manifest),
            tried: None,
        }
    }

    /// What can be said of one without its content.
    pub(super) fn outside(source: &Source, size: u64, why: Option<&Error>) -> Self {
        Self {
            path: source.path(),
            size,
            made_at: store::made_at(&source.name),
            server_name: None,
            encrypted: source.name.ends_with(crate::age::SUFFIX),
            incremental: blobs::is_incremental(&source.name),
            fault: why.map(ToString::to_string),
            manifest: None,
            tried: None,
        }
    }

    /// With what is known of it.
    fn known(self, record: &Record) -> Self {
        let found = self.path.to_str().and_then(|place| record.of(place)?.tried.clone());
        let tried = found.map(|it| Tried {
            at: it.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            good: it.fault.is_none(),
            fault: it.fault,
        });
        Self { tried, ..self }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Backups {}

impl Listed for Backups {
    type Row = Kept;
    const KEY: &'static str = "backups";
    const ORDER: &'static str = "Oldest first.";
    const NONE: &'static str = "no backups: `manage backup` makes one";
}

pub(super) async fn list(
    depot: Depot,
    keys: Keys,
    record: &Record,
    args: ListArgs<Kept>,
) -> Result<List<Backups>, Failure> {
    let found = waiting(move || store::list(&depot)).await?;
    let mut backups = Vec::new();
    for (source, size) in found {
        let kept = match look(&source, &keys).await {
            Ok(seen) => Kept::of(&source, seen),
            // Nothing is wrong with it: whoever lists them need not have the key.
            Err(Error::Sealed { .. }) => Kept::outside(&source, size, None),
            Err(error) => Kept::outside(&source, size, Some(&error)),
        };
        backups.push(kept.known(record));
    }
    Ok(List::of(args, Backups {}, backups))
}

impl Row for Kept {
    const HEADING: &'static [&'static str] = &["MADE", "SIZE", "", "TRIED", "PATH"];

    fn cells(&self) -> Vec<String> {
        let state = match (&self.fault, self.encrypted) {
            (Some(_), _) => "cannot be read",
            (None, true) => "encrypted",
            (None, false) => "",
        };
        let apart = if self.incremental { "incremental" } else { "" };
        let state = [state, apart].join(" ");
        vec![
            self.made_at.clone().unwrap_or_default(),
            shown(self.size),
            state.trim().to_owned(),
            match &self.tried {
                Some(Tried { at, good: true, .. }) => format!("good {at}"),
                Some(Tried { fault, .. }) => {
                    format!("not good: {}", fault.as_deref().unwrap_or_default())
                }
                None => "never".to_owned(),
            },
            self.path.display().to_string(),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.path.to_string_lossy()
    }
}
