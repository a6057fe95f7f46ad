//! What can go wrong with the relay as a whole; what becomes of one request is in [`super::api`].

use std::{io, net::SocketAddr};

use sqlx::{error::DatabaseError, migrate::MigrateError};

use crate::{
    error::{Explain, Kind},
    files, matrix, postgres, process,
    synapse::workers,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the relay cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("`relay.database_url` is not the address of a PostgreSQL database")]
    Address,
    #[error("the relay has not run yet, so it has no database")]
    NoDatabase,
    #[error("the relay's database cannot {doing}")]
    Query { doing: &'static str, source: sqlx::Error },
    #[error("the tables of the relay cannot be brought up to date")]
    Migrate(#[source] MigrateError),
    #[error("the relay's database is that of `{was}`, and this homeserver is `{is}`")]
    OtherServer { was: String, is: String },
    #[error("the relay's users are called `{was}-…`, and `relay.prefix` is `{is}`")]
    OtherPrefix { was: String, is: String },
    #[error(
        "`relay.keep_events` is less than an hour: who reads along could miss what has happened"
    )]
    Brief,
    #[error("the relay runs, so nothing was reset")]
    Runs,
    #[error("nothing goes to Matrix (`relay.matrix`), so nothing can be told again")]
    Off,
    #[error("there is no {what} `{id}`")]
    Absent { what: &'static str, id: String },
    #[error("`{0}` is not a name for a key: 1 to 64 of a-z, 0-9 and . _ -")]
    KeyName(String),
    #[error("there is a key `{0}` already")]
    KeyTaken(String),
    #[error("`{1}` is set, and `{0}` is not: no token could be judged")]
    Missing(&'static str, &'static str),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    #[error(transparent)]
    Matrix(#[from] matrix::Error),
    #[error(transparent)]
    File(#[from] files::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Workers(#[from] workers::Error),
}

impl Error {
    pub(super) fn query(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Query { doing, source }
    }

    /// Whether it is only that the database is not there, or takes nothing, for a while.
    pub(super) fn passes(&self) -> bool {
        let source = match self {
            Self::Postgres(postgres::Error::Unreachable { .. } | postgres::Error::Full { .. }) => {
                return true;
            }
            Self::Query { source, .. }
            | Self::Migrate(
                MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _),
            ) => source,
            _ => return false,
        };
        match source {
            // A connection that is closed at once, as by what stands before a database, is no answer.
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => true,
            // It starts, ends, has no room or no connections left, only reads, or another relay is at it.
            error => error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| {
                let passes = ["57P", "53", "25006", "55P03"];
                passes.iter().any(|it| code.starts_with(it))
            }),
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Listen(..)
            | Self::Address
            | Self::OtherServer { .. }
            | Self::OtherPrefix { .. }
            | Self::Missing(..)
            | Self::Brief
            | Self::Off => Kind::Setting,
            Self::NoDatabase | Self::Query { .. } | Self::Migrate(_) => Kind::Environment,
            Self::Absent { .. } | Self::KeyName(_) | Self::KeyTaken(_) | Self::Runs => {
                Kind::Request
            }
            Self::Postgres(error) => error.kind(),
            Self::Matrix(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Process(error) => error.kind(),
            Self::Workers(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Listen(..) => Some("`config set relay.port PORT` takes another port".into()),
            Self::NoDatabase => Some("`manage start` starts it".into()),
            Self::Address => Some(
                "it is `postgres://USER:PASSWORD@HOST/DATABASE`, where `/`, `@` and the like in a password are written as \
                 `%2F`, `%40`; `config set relay.database_url --file FILE` takes it from a file"
                    .into(),
            ),
            Self::Query { .. } => Some(
                "`status` shows whether PostgreSQL runs, and `manage start` starts it; where it is the application's, \
                 `config show relay.database_url` says where that comes from"
                    .into(),
            ),
            Self::Migrate(_) => Some("its role must be allowed to create a schema there".into()),
            Self::OtherServer { was, .. } => Some(format!(
                "the ids of its users and rooms are those of `{was}`: `config set server.name {was}`; or \
                 `manage stop relay`, `content relay reset --all` and `manage restart`, while Synapse runs, give them new \
                 ones, and what was said stays"
            )),
            Self::OtherPrefix { was, .. } => Some(format!(
                "`config set relay.prefix {was}`; or `manage stop relay`, `content relay reset --all` and \
                 `manage restart`, while Synapse runs, give them new ids and rooms, and what was said stays"
            )),
            Self::Runs => Some("`manage stop relay` stops it".into()),
            Self::Off => Some("`config set relay.matrix true`; then `manage restart relay`".into()),
            Self::Absent { what: "conversation", .. } => {
                Some("`content relay conversations` lists them".into())
            }
            Self::Absent { what: "key", .. } => Some("`content relay keys` lists them".into()),
            Self::Absent { .. } => Some("`content relay dead` lists what was refused".into()),
            Self::KeyName(_) => None,
            Self::Brief => Some("`config set relay.keep_events 30d`: a number alone is seconds".into()),
            Self::KeyTaken(name) => {
                Some(format!("`content relay remove-key {name}` takes it away"))
            }
            Self::Missing(missing, _) => Some(format!("`config set {missing} VALUE` sets it")),
            Self::Postgres(error) => error.hint(),
            Self::Matrix(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Process(error) => error.hint(),
            Self::Workers(error) => error.hint(),
        }
    }
}
