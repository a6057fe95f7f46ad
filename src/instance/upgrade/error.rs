//! Why a version cannot be changed.

use std::path::PathBuf;

use super::plan::Obstacle;
use crate::{
    error::{Explain, Failure, Kind},
    files,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no Synapse that was used before is kept here")]
    NoWayBack,
    #[error("Synapse {to} cannot take the place of {from}: {}", .obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused {
        from: String,
        to: String,
        obstacles: Vec<Obstacle>,
        /// Whether it would be an older one.
        back: bool,
        /// The last backup of that version.
        backup: Option<PathBuf>,
    },
    #[error(
        "the backup is of Synapse {backup}, and {version} cannot read it: it needs version {needs} of the tables, and knows {knows}"
    )]
    NewerBackup { version: String, backup: String, needs: i32, knows: i32 },
    #[error("the environment of Synapse {0} is not there any more: another command has removed it")]
    Gone(String),
    #[error("Synapse {runs} runs, not {wanted}")]
    Other { runs: String, wanted: String },
    #[error("the tables are of version {is}, and Synapse makes {wanted} of them")]
    OldTables { is: i32, wanted: i32 },
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoWayBack | Self::NewerBackup { .. } => Kind::Request,
            Self::Refused { obstacles, .. } => match obstacles.first() {
                Some(Obstacle::Settings(_)) => Kind::Setting,
                Some(Obstacle::Disk { .. } | Obstacle::Postgres { .. }) => Kind::Environment,
                _ => Kind::Request,
            },
            Self::Gone(_) | Self::Other { .. } | Self::OldTables { .. } => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoWayBack => "`manage rollback --to VERSION` names one".into(),
            Self::Refused { obstacles, .. } if obstacles.iter().all(Obstacle::passes) => {
                "`content list-background-updates` shows how far they are: run it again when they have ended".into()
            }
            Self::Refused { back: true, backup: Some(file), .. } => format!(
                "`manage restore {} --force` goes back to the last backup of it: what was written since is lost",
                file.display()
            ),
            Self::Refused { back: true, to, .. } => {
                format!(
                    "only a backup of Synapse {to} leads back, and there is none in the folder of backups"
                )
            }
            Self::Refused { obstacles, .. } => match obstacles.first() {
                Some(Obstacle::Settings(_)) => {
                    "correct the settings, then run it again; the old version goes on".into()
                }
                Some(Obstacle::Disk { .. }) => {
                    format!("{}; `--no-backup` needs less", files::FREE_SPACE)
                }
                _ => "the old version goes on; nothing was changed".into(),
            },
            Self::NewerBackup { backup, .. } => format!(
                "`--set synapse.version={backup}` at the restore takes the version that it is of"
            ),
            Self::Gone(_) => "run it again".into(),
            Self::Other { .. } | Self::OldTables { .. } => "`logs synapse` shows its log".into(),
        })
    }
}

/// The old version is back, because of this.
pub(super) fn is_back(to: &str, from: &str, why: Failure) -> Failure {
    let said = format!("Synapse {to} does not do, so {from} is back");
    // What helps the one that did not start is nothing for the one that runs.
    let why = Failure { hint: None, ..why };
    let hint = format!("{from} goes on as before; `manage upgrade --to {to}` tries again");
    Failure { kind: why.kind, ..Failure::request(said).hinted(hint) }.because(why)
}

/// Neither of them runs.
pub(super) fn is_stuck(to: &str, from: &str, backup: Option<PathBuf>, why: Failure) -> Failure {
    let said = format!("Synapse {to} does not do, and {from} does not start again");
    let backup = backup.map(|file| format!("; the backup of before is `{}`", file.display()));
    let hint = format!("`manage start` tries {from} again{}", backup.unwrap_or_default());
    Failure { kind: why.kind, ..Failure::request(said).hinted(hint) }.because(why)
}
