//! What can go wrong with the database, and what to do then.

use std::path::PathBuf;

use crate::{
    data_dir::DataDir,
    error::{Explain, Kind},
    files, process,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`database.kind` is `shared`, but `database.host` is not set")]
    NoHost,
    #[error("this homeserver's data is in the embedded PostgreSQL in `{}`, but `database.host` is `{host}`", cluster.display())]
    Moved { cluster: PathBuf, host: String },
    #[error("`{}` cannot be read", path.display())]
    Record { path: PathBuf, own: bool, source: Box<dyn std::error::Error + Send + Sync> },

    #[error("PostgreSQL ({server}) cannot be reached")]
    Unreachable { server: String, own: bool, source: sqlx::Error },
    #[error("PostgreSQL ({server}) refuses the password of `{user}`")]
    WrongPassword { server: String, user: String, setting: &'static str, source: sqlx::Error },
    #[error("PostgreSQL ({server}) has no connections left")]
    Full { server: String, source: sqlx::Error },
    #[error("PostgreSQL ({server}) refuses `{user}`")]
    Refused { server: String, user: String, source: sqlx::Error },
    #[error("PostgreSQL cannot {doing}")]
    Query { doing: String, source: sqlx::Error },

    #[error("PostgreSQL ({server}) is version {version}; Synapse needs 14 or later")]
    OldServer { server: String, version: String },
    #[error(
        "the database `{database}` has encoding {encoding}, collation `{collate}` and character type `{ctype}`; Synapse needs UTF8, `C` and `C`"
    )]
    Collation { database: String, encoding: String, collate: String, ctype: String },
    #[error("the database `{database}` belongs to `{owner}`, not to `{role}`")]
    Owner { database: String, owner: String, role: String },
    #[error("the role `{role}` has more privileges than a homeserver should: {privileges}")]
    Privileged { role: String, privileges: String },
    #[error("the role `{0}` cannot log in")]
    NoLogin(String),
    #[error("the role `{0}` exists already and has another password")]
    RoleTaken(String),
    #[error("the {what} `{name}` belongs to the homeserver in `{home}`")]
    Taken { what: &'static str, name: String, home: String },
    #[error(
        "PostgreSQL ({server}) leaves {left} connections to `{role}`, and Synapse may open {needed}"
    )]
    Connections { server: String, role: String, left: i64, needed: i64 },
    #[error(
        "`pg_dump` and `pg_restore` of PostgreSQL {major}, the version of the server, are not on this machine"
    )]
    NoTools { major: u32 },
    #[error(
        "`pg_basebackup` of PostgreSQL {major}, the version of the cluster, is not beside its other programs"
    )]
    NoBase { major: u32 },
    #[error("that moment could not be reached{}", words(last_words))]
    NotReached { last_words: String, log: PathBuf },
    #[error("PostgreSQL does not hand over what it has written")]
    NotHandedOver,
    #[error(transparent)]
    Tool(process::Error),
    #[error("no password of the role `{0}` is known")]
    NoPassword(String),
    #[error("the role `{role}` may not create tables in the database `{database}`")]
    NoTables { role: String, database: String },
    #[error(
        "no superuser's password is known, so the role `{role}` and the database `{database}` cannot be created"
    )]
    NoSuperuser { role: String, database: String, source: Option<Box<Self>> },
    #[error("the database `{database}` contains tables of another program, such as `{table}`")]
    Foreign { database: String, table: String },

    #[error("no PostgreSQL 14 or later is installed on this machine")]
    NoBinaries,
    #[error("the cluster `{}` needs PostgreSQL {needed}; found here: {found}", cluster.display())]
    OtherMajor { cluster: PathBuf, needed: u32, found: String },
    #[error("PostgreSQL does not run as root, and no unprivileged account can reach `{}`", blocked.display())]
    Root { blocked: PathBuf },
    #[error("`{}` is neither empty nor a cluster of PostgreSQL", .0.display())]
    NotACluster(PathBuf),
    #[error("the embedded PostgreSQL did not become ready{}", words(last_words))]
    NotReady { last_words: String },
    #[error("the copy of the database `{database}` differs: {what}")]
    Unequal { database: String, what: String },
    #[error("the embedded PostgreSQL has not been created yet")]
    NoCluster,
    #[error("the embedded PostgreSQL runs already (pid {0})")]
    Running(u32),
    #[error("another server of this cluster answers in `{}`, in a container or on another machine", .0.display())]
    Elsewhere(PathBuf),
    #[error("the embedded PostgreSQL (pid {0}) does not stop")]
    Stuck(u32),
    #[error("the password of the embedded PostgreSQL's superuser, in `{}`, is {}", path.display(), if *there { "wrong" } else { "lost" })]
    LostSuperuser { path: PathBuf, there: bool },
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

fn words(last_words: &str) -> String {
    if last_words.is_empty() { String::new() } else { format!(": {last_words}") }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoHost | Self::Moved { .. } | Self::WrongPassword { .. } => Kind::Setting,
            Self::NoSuperuser { .. }
            | Self::RoleTaken(_)
            | Self::NoPassword(_)
            | Self::Taken { .. } => Kind::Setting,
            Self::Process(error) | Self::Tool(error) => error.kind(),
            Self::File(error) => error.kind(),
            _ => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoHost => "`config set database.host HOST` names the server".into(),
            Self::Moved { .. } => "`config set database.kind embedded` keeps the data; `shared` leaves it behind".into(),
            Self::Record { own: true, .. } => "put it back from a backup, or remove it: the data in our own PostgreSQL stays, and what it is is noted again".into(),
            Self::Record { .. } => "put it back from a backup, or say with `config set database.host HOST` where the data is and remove it".into(),
            Self::Unreachable { own: true, .. } => "`manage start` starts it".into(),
            Self::Unreachable { .. } => "start that server, or correct `database.host` and `database.port`; `config show database` says where they come from".into(),
            Self::WrongPassword { setting, .. } => format!("`config set {setting}` takes the right one"),
            Self::Full { .. } | Self::Connections { .. } => {
                "raise `max_connections` of that server (or the role's limit; our own gets enough at `manage restart`), or lower `database.connections_max` or the number of workers".into()
            }
            Self::Refused { .. } => "that server's pg_hba.conf decides who may connect from where".into(),
            Self::OldServer { .. } => "upgrade that server, or use our own with `config set database.kind embedded`".into(),
            Self::Collation { .. } | Self::Owner { .. } | Self::Foreign { .. } => {
                "`config set database.name NAME` uses another database; it is created if missing".into()
            }
            Self::Taken { what, name, .. } => format!(
                "give this homeserver names of its own with `config set database.name NAME` and `config set database.user NAME`; if that homeserver is gone, `COMMENT ON {} \"{name}\" IS NULL` sets it free",
                what.to_uppercase()
            ),
            Self::NoTables { database, role } => format!("as a superuser: `ALTER DATABASE \"{database}\" OWNER TO \"{role}\"`"),
            Self::Privileged { .. } | Self::NoLogin(_) => {
                "`config set database.user NAME` uses another role; it is created if missing".into()
            }
            Self::RoleTaken(_) | Self::NoPassword(_) => {
                "`config set database.password` takes its password; `config set database.user NAME` uses another role".into()
            }
            Self::NoSuperuser { .. } => {
                "give the superuser with `config set database.admin_user NAME` and `config set database.admin_password`, or create role and database yourself (UTF8, LC_COLLATE C, LC_CTYPE C, TEMPLATE template0) and give `database.password`".into()
            }
            Self::NoBinaries => "`apt-get install postgresql` installs it".into(),
            Self::NoBase { major } => format!("`apt-get install postgresql-client-{major}` installs it"),
            Self::NotReached { log, .. } => format!("nothing was changed; `{}` says more, and `manage backup list` shows the backups there are", log.display()),
            Self::NotHandedOver => "`logs postgres` says why; `manage restart` switches it on where `backup.point_in_time` was only set".into(),
            Self::NoTools { major } => format!("`apt-get install postgresql-client-{major}` installs them"),
            Self::OtherMajor { needed, .. } => format!("`apt-get install postgresql-{needed}` installs it"),
            Self::Root { .. } => {
                "use a data folder such as MATRIX_SYNAPSE_DATA_DIR=/var/lib/matrix-synapse, or run this as an ordinary user".into()
            }
            Self::NotACluster(_) => "look at what it is, and move it away".into(),
            Self::NotReady { .. } => "`logs postgres` shows what it wrote".into(),
            Self::Unequal { .. } => "the old cluster is as it was, and in use".into(),
            Self::NoCluster => "`manage install` creates it".into(),
            Self::Running(_) => "`manage stop` stops it".into(),
            Self::LostSuperuser { there, .. } => {
                let first = if *there { "remove that file and stop" } else { "stop" };
                format!("{first} the server with `manage stop`; then `manage install` and `manage start` create a new one")
            }
            Self::Elsewhere(_) => "end it where it runs: two would destroy the data".into(),
            Self::Stuck(pid) => format!("`kill -QUIT {pid}` ends it at once; nothing that was committed is lost"),
            // 53100: disk_full.
            Self::Query { source, .. } if code_of(source).as_deref() == Some("53100") => {
                format!("{}; then run it again", files::FREE_SPACE)
            }
            Self::Query { .. } => return None,
            Self::Process(error) | Self::Tool(error) => return error.hint(),
            Self::File(error) => return error.hint(),
        };
        Some(hint)
    }
}

/// What kind of error the database says it is ([SQLSTATE]).
///
/// [SQLSTATE]: https://www.postgresql.org/docs/current/errcodes-appendix.html
fn code_of(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error()?.code()
}

impl Error {
    pub(super) fn lost_superuser(data: &DataDir) -> Self {
        let path = data.superuser_password();
        Self::LostSuperuser { there: path.exists(), path }
    }

    /// For `map_err`: what the statement was for, as in "PostgreSQL cannot {doing}".
    pub(super) fn query(doing: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Query { doing, source }
    }
}
