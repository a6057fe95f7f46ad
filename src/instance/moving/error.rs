//! Why nothing can be taken over.

use std::path::PathBuf;

use crate::{
    error::{Explain, Kind},
    files,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no file `{}`", .0.display())]
    NoFile(PathBuf),
    #[error("there is no file `{}`, which `{}` names as its database", file.display(), from.display())]
    NoDatabase { file: PathBuf, from: PathBuf },
    #[error("`{}` cannot be looked into: {why}", file.display())]
    Damaged { file: PathBuf, why: String },
    #[error("the homeserver runs")]
    Running,
    #[error("`{}` is not a database of SQLite", .0.display())]
    NotSqlite(PathBuf),
    #[error("`{}` is not a database of Synapse", .0.display())]
    NotSynapse(PathBuf),
    #[error("`{}` is in use by {} (pid {})", file.display(), who.1, who.0)]
    InUse { file: PathBuf, who: (u32, String) },
    #[error("the database is of `{theirs}`, and this homeserver is `{ours}`")]
    OtherServer { theirs: String, ours: String },
    #[error(
        "the messages of the database are signed with the key {theirs}, and this homeserver has {ours}"
    )]
    OtherKey { theirs: String, ours: String, key: PathBuf },
    #[error(
        "the database is of a newer Synapse (schema {theirs}) than the one installed here (schema {ours})"
    )]
    Newer { theirs: u32, ours: u32 },
    #[error("`{}` moves its rows by itself (auto_vacuum)", .0.display())]
    Vacuums(PathBuf),
    #[error("the database `{0}` is not empty")]
    NotEmpty(String),
    #[error("taking it over needs about {} MB, and the disk of `{}` has {} MB left", needed >> 20, path.display(), left >> 20)]
    NoRoom { path: PathBuf, needed: u64, left: u64 },
    #[error("the old Synapse still runs: {how}")]
    OldRuns { how: String },
    #[error("the old Synapse still runs: {sessions} connections use the database `{name}`")]
    Sessions { name: String, sessions: i64 },
    #[error("the database `{name}` sorts by {sorts}, and Synapse wants C")]
    Sorts { name: String, sorts: String },
    #[error("the role `{0}` logs in without a password, which only its own account may")]
    NoPassword(String),
    #[error("there is an account `{0}` already, and this program wants that name for its own")]
    Operator(String),
    #[error("`{}` is not empty: it may hold a homeserver", .0.display())]
    Occupied(PathBuf),
    #[error("taking over `{}` was interrupted", from.display())]
    UnfinishedAdoption { from: PathBuf, again: String },
    #[error("the database is on PostgreSQL {theirs}, and the one here is {ours}")]
    OlderPostgres { theirs: String, ours: String },
    #[error("this homeserver was not taken over from elsewhere")]
    NotAdopted,
    #[error("importing `{}` was interrupted", .0.display())]
    UnfinishedImport(PathBuf),
    #[error("`{}` has changed since its import began", .0.display())]
    Changed(PathBuf),
    #[error("not all has arrived: {0}")]
    Differs(String),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoRoom { .. } | Self::Differs(_) | Self::Damaged { .. } => Kind::Environment,
            _ => Kind::Request,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoFile(_) => {
                "`database.args.database` in its homeserver.yaml names it; `find / -xdev -name homeserver.db` looks for it".into()
            }
            Self::NoDatabase { from, .. } => format!(
                "put it there, or name where it is (`database.args.database`); `manage adopt {}` looks again", from.display()
            ),
            Self::Damaged { file, .. } => format!(
                "`sqlite3 {} 'PRAGMA integrity_check'` says whether it is whole", file.display()
            ),
            Self::Running => "`manage stop` stops it".into(),
            Self::NotSqlite(_) | Self::NotSynapse(_) => {
                "`database.args.database` in its homeserver.yaml names the file, mostly `homeserver.db`".into()
            }
            Self::InUse { .. } => "stop the Synapse that it belongs to".into(),
            Self::OtherServer { theirs, .. } => format!(
                "`manage adopt` takes the name and the keys along; or install one of that name: `manage install --server-name {theirs}`"
            ),
            Self::OtherKey { key, .. } => format!(
                "copy the old `*.signing.key` to `{}` and run it again; or `manage adopt` takes name, keys and files along",
                key.display()
            ),
            Self::Newer { .. } => {
                "`manage install --synapse-version V` installs the version that it is of, or a newer one".into()
            }
            Self::Vacuums(_) => {
                "on a copy of it: `sqlite3 FILE 'PRAGMA auto_vacuum=0; VACUUM'`".into()
            }
            Self::OldRuns { .. } | Self::Sessions { .. } => {
                "stop it and keep it from starting again, with Debian's package `systemctl disable --now matrix-synapse`; then take it over".into()
            }
            Self::Sorts { .. } => "`--database move` copies it into one that sorts as it must".into(),
            Self::NoPassword(role) => format!(
                "give it one (`ALTER ROLE {role} PASSWORD '…'`) and write it into its homeserver.yaml, or `--database move` as the account that may"
            ),
            Self::Operator(_) => "`--set server.operator=NAME` names another one".into(),
            Self::Occupied(_) => {
                "`--instance NAME` takes it over beside what is there; `manage uninstall` archives that".into()
            }
            Self::UnfinishedAdoption { again, .. } => {
                format!("`{again}` again finishes it; `manage adopt --undo --yes` gives it back")
            }
            Self::OlderPostgres { .. } => {
                "`--database keep` uses it where it is; or install that version beside (`apt-get install postgresql`), or name one with `--set database.host=HOST`".into()
            }
            Self::NotAdopted => "`manage uninstall` archives it".into(),
            Self::NotEmpty(_) => "import into a homeserver that was installed and never started".into(),
            Self::NoRoom { .. } => files::FREE_SPACE.into(),
            Self::UnfinishedImport(file) => {
                format!("`manage import-sqlite {}` again finishes it; `manage uninstall` gives it up", file.display())
            }
            Self::Changed(_) => {
                "nothing may use it meanwhile; `manage import-sqlite FILE --anew` begins again".into()
            }
            Self::Differs(_) => "the old database is as it was; `manage import-sqlite FILE --anew` begins again".into(),
        })
    }
}
