//! Synapse's own judgement of its settings. Synapse ignores keys it does not know; so the same run that
//! checks the settings records which keys are asked for, and what nobody asked for is unknown.

use std::{collections::BTreeSet, fmt, iter::once};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Error,
    overrides::{self, Override},
    script, sealing,
};
use crate::{data_dir::DataDir, files as disk, python::Environment};

const SCRIPT: &str = include_str!("check.py");
/// Settings that were good are good again: people go back and forth.
const REMEMBERED: usize = 20;

/// A key that Synapse never asked for, and the one that was probably meant.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unknown {
    /// With its parents: `media_retention.remote_media_lifetim`.
    pub(crate) key: String,
    pub(crate) suggestion: Option<String>,
    /// The operator's file it stands in.
    #[serde(default)]
    pub(crate) file: Option<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.key)?;
        if let Some(file) = &self.file {
            write!(f, " (in `{file}`)")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
    /// The operator's key at which Synapse stumbles.
    key: Option<String>,
    unknown: Vec<Unknown>,
    /// The same of what does no harm.
    harmless: Vec<Unknown>,
}

/// Asks the installed Synapse, or remembers that it was content with exactly this. What should be known
/// although it is content.
pub(super) async fn check(
    data: &DataDir,
    homeserver: &str,
    workers: &[&str],
    environment: &Environment,
) -> Result<Vec<String>, Error> {
    // One stream of YAML documents, the shared one first.
    let mut homeserver = homeserver.to_owned();
    for worker in workers {
        homeserver.push_str("---\n");
        homeserver.push_str(worker);
    }
    let hash = Sha256::new()
        .chain_update(SCRIPT)
        .chain_update(environment.identity().unwrap_or_default())
        .chain_update(&homeserver)
        .finalize();
    let hash = HEXLOWER.encode(&hash[..16]);
    let note = data.cache().join("checked");
    let known = disk::read_made(&note)?.unwrap_or_default();
    if known.lines().any(|line| line == hash) {
        return Ok(Vec::new());
    }
    let files = overrides::read(data)?;
    let mut answer = ask(data, &homeserver, environment, &files).await?;
    if let Some(why) = answer.error {
        // The last file wins, so that one is to blame.
        let holds = |key: &String| files.iter().rev().find(|file| file.content.get(key).is_some());
        return Err(match answer.key.and_then(|key| Some((holds(&key)?.path.clone(), key))) {
            Some((path, key)) => Error::Misshapen { key, path, why },
            None => Error::Refused(why),
        });
    }
    if !answer.unknown.is_empty() {
        for unknown in &mut answer.unknown {
            let pointer = format!("/{}", unknown.key.replace("[]", "/0").replace('.', "/"));
            let file = files.iter().find(|file| file.content.pointer(&pointer).is_some());
            unknown.file = file.map(|file| file.path.display().to_string());
        }
        return Err(Error::Unknown(answer.unknown));
    }
    if answer.harmless.is_empty() {
        // Only the next check would be quicker.
        let known: Vec<&str> = once(&*hash).chain(known.lines()).take(REMEMBERED).collect();
        drop(disk::write_if_changed(&note, known.join("\n").as_bytes(), disk::PRIVATE));
    }
    let warning =
        |it: Unknown| format!("this Synapse has no setting `{}`: it has no effect", it.key);
    Ok(answer.harmless.into_iter().map(warning).collect())
}

async fn ask(
    data: &DataDir,
    homeserver: &str,
    environment: &Environment,
    files: &[Override],
) -> Result<Answer, Error> {
    let mut command = script::command(environment, SCRIPT);
    command.arg(data.synapse()).arg(data.root()).args([sealing::IMPORTED, sealing::SOURCE]);
    let keys = files.iter().filter_map(|file| Some(file.content.as_object()?.keys())).flatten();
    command.args(keys.collect::<BTreeSet<_>>());
    script::answer(command, homeserver).await?.map_err(Error::Refused)
}
