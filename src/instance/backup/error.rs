//! Why a backup cannot be made or taken back.

use std::path::PathBuf;

use crate::{
    error::{Explain, Kind},
    files,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no folder `{}`", .0.display())]
    NoFolder(PathBuf),
    #[error("there is no folder `{}`, and the name of a backup ends in `.tar.zst`", .0.display())]
    NoName(PathBuf),
    #[error("`{}` is there already", .0.display())]
    Exists(PathBuf),
    #[error("`{}` has no version of Synapse noted", .0.display())]
    NoVersion(PathBuf),
    #[error("this homeserver has never run: there is nothing in its database")]
    NeverRan,
    #[error("the signing key `{}` cannot be read", .0.display())]
    BadKey(PathBuf),
    #[error("an incremental backup needs a folder, and `{}` is none", .0.display())]
    NoDepot(PathBuf),
    #[error("the backup was interrupted")]
    Interrupted,
    #[error("`{}` is not empty: it may hold a homeserver", .0.display())]
    Occupied(PathBuf),
    #[error("restoring `{}` was interrupted", .0.display())]
    Unfinished(PathBuf),
    #[error("restoring takes about {} MB, and the disk of `{}` has {} MB left", needed >> 20, path.display(), left >> 20)]
    NoRoom { path: PathBuf, needed: u64, left: u64 },
    #[error("the database `{0}` is not empty")]
    NotEmpty(String),
    #[error("the backup is of `{backup}`, and `server.name` is `{here}`")]
    OtherServer { backup: String, here: String },
    #[error("the backup is of PostgreSQL {backup}, and the server is {here}")]
    OlderPostgres { backup: String, here: String },
    #[error("that moment is still to come")]
    ToCome,
    #[error("what was before {0} was not kept")]
    TooEarly(String),
    #[error("nothing is kept from which a moment could be reached")]
    NoHistory,
    #[error("a moment can be reached in our own PostgreSQL alone, and the database is on {0}")]
    OfOthers(String),
    #[error("the restored server differs from the backup: {0}")]
    Differs(String),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoRoom { .. }
            | Self::NoVersion(_)
            | Self::BadKey(_)
            | Self::Interrupted
            | Self::Differs(_) => Kind::Environment,
            _ => Kind::Request,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoFolder(_) => "make the folder, or name another one with `--to`".into(),
            Self::NoName(_) => "make the folder, or name a file such as `--to chat.tar.zst`".into(),
            Self::Exists(_) => "name another file with `--to`".into(),
            Self::NoDepot(_) => "name a folder with `--to`: archives and media lie in it".into(),
            Self::NoVersion(_) => "`manage install` notes it".into(),
            Self::NeverRan => "`manage start` starts it".into(),
            Self::BadKey(_) => "`status` says what is wrong with this homeserver".into(),
            Self::Interrupted => "run it again; no half backup is left".into(),
            Self::Occupied(_) => {
                "`manage restore FILE --force` archives what is there first; `--instance NAME` restores beside it".into()
            }
            Self::Unfinished(file) => format!("`manage restore {}` again finishes it", file.display()),
            Self::NoRoom { .. } => files::FREE_SPACE.into(),
            Self::NotEmpty(_) => {
                "`config set database.name NAME` names another one, which is made; `--set database.name=NAME` at the restore does the same".into()
            }
            Self::OtherServer { .. } => "leave `server.name` to the backup".into(),
            Self::OlderPostgres { .. } => {
                "restore into a PostgreSQL of that version or a newer one".into()
            }
            Self::ToCome => "name one that is over, such as 2026-11-28T10:00Z".into(),
            Self::TooEarly(first) => format!("`manage restore --at {first}` is the earliest; `manage backup list` shows backups that are older"),
            Self::NoHistory => "`config set backup.point_in_time true`, `manage restart` and `manage backup` begin it; `manage backup list` shows the backups there are".into(),
            Self::OfOthers(_) => "who runs that server has to do it: `archive_mode = on` with an `archive_command`, `pg_basebackup` every night, and recovery with `recovery_target_time`; before Synapse starts on it, empty `e2e_one_time_keys_json` and raise every sequence by a million. `manage backup` works with any server".into(),
            Self::Differs(_) => "do not rely on this backup: make another with `manage backup`, and verify that".into(),
        })
    }
}
