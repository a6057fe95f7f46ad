//! What has to be done, decided from what is there: pure, so that `--dry-run` shows the truth.

use std::{fmt, path::PathBuf};

use serde::Serialize;

use super::{
    Error,
    record::Record,
    survey::{Database, Role, Survey},
};
use crate::{config::Config, synapse::workers};

/// The oldest server that Synapse supports, as PostgreSQL writes it.
const OLDEST: i32 = 140_000;
const MARK: &str = "made by resource-matrix-synapse for ";

/// One step, in the order in which they are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub(crate) enum Step {
    /// The version is not known before PostgreSQL is installed.
    CreateCluster {
        folder: PathBuf,
        version: Option<u32>,
    },
    /// Of our own cluster, where the file of the old one is lost.
    RenewSuperuser,
    CreateRole {
        role: String,
    },
    SetPassword {
        role: String,
    },
    CreateDatabase {
        database: String,
        owner: String,
    },
    /// What a killed run did not come to: our mark, and no way in for other roles.
    CloseDatabase {
        database: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateCluster { folder, version } => {
                let version = version.map(|version| format!(" {version}")).unwrap_or_default();
                write!(f, "create a PostgreSQL cluster{version} in `{}`", folder.display())
            }
            Self::RenewSuperuser => f.write_str(
                "give the embedded PostgreSQL's superuser a new password: the old one is lost",
            ),
            Self::CreateRole { role } => write!(f, "create the role `{role}`"),
            Self::SetPassword { role } => write!(f, "set the password of the role `{role}`"),
            Self::CreateDatabase { database, owner } => {
                write!(f, "create the database `{database}` (UTF8, collation C) for `{owner}`")
            }
            Self::CloseDatabase { database } => {
                write!(f, "close the database `{database}` to other roles")
            }
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Plan {
    /// Empty if all is as it must be.
    pub(crate) steps: Vec<Step>,
}

impl Plan {
    /// For our own cluster, where there is none yet.
    pub(super) fn from_nothing(config: &Config, folder: PathBuf, version: Option<u32>) -> Self {
        let (role, database) = (config.database.user.0.clone(), config.database.name.0.clone());
        let steps = vec![
            Step::CreateCluster { folder, version },
            Step::CreateRole { role: role.clone() },
            Step::CreateDatabase { database, owner: role },
        ];
        Self { steps }
    }

    /// Decides, or refuses. `login` is whether the role's password is known and right.
    pub(super) fn decide(wanted: &Wanted, survey: &Survey, login: bool) -> Result<Self, Error> {
        let mut steps = Vec::new();
        let Wanted { home: ours, role, database, .. } = wanted;
        match &survey.role {
            None => steps.push(Step::CreateRole { role: role.clone() }),
            Some(found) => {
                fit_role(role, found)?;
                if !login {
                    own("role", role, found.comment.as_deref(), wanted)?;
                    steps.push(Step::SetPassword { role: role.clone() });
                }
            }
        }
        match &survey.database {
            None => {
                let (database, owner) = (database.clone(), role.clone());
                steps.push(Step::CreateDatabase { database, owner });
            }
            Some(found) => {
                fit_database(database, found)?;
                if found.owner != *role {
                    let (database, role) = (database.clone(), role.clone());
                    return Err(Error::Owner { database, owner: found.owner.clone(), role });
                }
                match home(found.comment.as_deref()) {
                    Some(home) if home != ours && !wanted.database_made => {
                        return Err(Error::Taken {
                            what: "database",
                            name: database.clone(),
                            home: home.to_owned(),
                        });
                    }
                    None if wanted.database_made => {
                        steps.push(Step::CloseDatabase { database: database.clone() });
                    }
                    _ => {}
                }
            }
        }
        Ok(Self { steps })
    }
}

/// A role and a database that somebody is to have: the homeserver, or a bridge beside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// The data folder for which they are made.
    pub(super) home: String,
    pub(super) role: String,
    pub(super) database: String,
    /// Whether they are noted as of our making.
    pub(super) role_made: bool,
    pub(super) database_made: bool,
}

impl Wanted {
    /// What the homeserver is to have, as it is noted.
    pub(super) fn of(config: &Config, record: &Record) -> Self {
        Self {
            home: this(config),
            role: record.role.clone(),
            database: record.database.clone(),
            role_made: record.role_made,
            database_made: record.database_made,
        }
    }

    /// Whether a comment on the server says that something was made for this data folder.
    pub(super) fn is_marked(&self, comment: Option<&str>) -> bool {
        home(comment).is_some_and(|home| home == self.home)
    }
}

/// The server is new enough and has connections for the pools of all processes of Synapse.
pub(super) fn enough(config: &Config, server: &str, survey: &Survey) -> Result<(), Error> {
    if survey.version_number < OLDEST {
        return Err(Error::OldServer {
            server: server.to_owned(),
            version: survey.version.clone(),
        });
    }
    let limits = [
        survey.role.as_ref().map(|role| role.limit),
        survey.database.as_ref().map(|database| database.limit),
    ];
    let limits = limits.into_iter().flatten().filter(|limit| *limit >= 0).map(i64::from);
    let left = limits.chain([survey.connections_left]).min().unwrap_or_default();
    let pools = config.database.connections_max.saturating_mul(workers::processes(config));
    let needed = i64::from(pools);
    if left < needed {
        let role = config.database.user.0.clone();
        return Err(Error::Connections { server: server.to_owned(), role, left, needed });
    }
    Ok(())
}

fn fit_role(role: &str, found: &Role) -> Result<(), Error> {
    if !found.privileges.is_empty() {
        let privileges = found.privileges.clone();
        return Err(Error::Privileged { role: role.to_owned(), privileges });
    }
    if found.can_login { Ok(()) } else { Err(Error::NoLogin(role.to_owned())) }
}

pub(super) fn fit_database(database: &str, found: &Database) -> Result<(), Error> {
    if (&*found.encoding, &*found.collate, &*found.ctype) == ("UTF8", "C", "C") {
        return Ok(());
    }
    Err(Error::Collation {
        database: database.to_owned(),
        encoding: found.encoding.clone(),
        collate: found.collate.clone(),
        ctype: found.ctype.clone(),
    })
}

/// Whether a role is ours to give a new password to.
fn own(
    what: &'static str,
    name: &str,
    comment: Option<&str>,
    wanted: &Wanted,
) -> Result<(), Error> {
    match home(comment) {
        _ if wanted.role_made => Ok(()),
        Some(home) if home == wanted.home => Ok(()),
        Some(home) => Err(Error::Taken { what, name: name.to_owned(), home: home.to_owned() }),
        None => Err(Error::RoleTaken(name.to_owned())),
    }
}

/// What we leave as the comment on what we make: whose it is can be seen on the server.
pub(super) fn mark(home: &str) -> String {
    format!("{MARK}{home}")
}

/// The data folder of the homeserver for which something was made.
fn home(comment: Option<&str>) -> Option<&str> {
    comment?.strip_prefix(MARK)
}

pub(super) fn this(config: &Config) -> String {
    config.data.root().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    fn decide(change: impl FnOnce(&mut Survey)) -> Result<Plan, Error> {
        let mut survey = Survey {
            version_number: 150_018,
            version: "15.18".into(),
            connections_left: 97,
            role: None,
            database: None,
        };
        change(&mut survey);
        let config = Config::load(DataDir::new("/a".into()), &[], &Environment::default()).unwrap();
        enough(&config, "db:5433", &survey)?;
        Plan::decide(&Wanted::default(), &survey, false)
    }

    #[test]
    fn an_old_server_and_one_that_is_nearly_full_are_refused() {
        assert_eq!(decide(|_| {}).unwrap().steps.len(), 2);
        let old =
            decide(|survey| (survey.version_number, survey.version) = (130_021, "13.21".into()));
        let old = old.unwrap_err().to_string();
        assert_eq!(old, "PostgreSQL (db:5433) is version 13.21; Synapse needs 14 or later");
        let full = decide(|survey| survey.connections_left = 9).unwrap_err().to_string();
        assert!(
            full.contains("leaves 9 connections to `synapse`, and Synapse may open 10"),
            "{full}"
        );
    }

    #[test]
    fn a_mark_names_the_homeserver() {
        let config =
            Config::load(DataDir::new("/a b".into()), &[], &Environment::default()).unwrap();
        assert_eq!(home(Some(&mark(&this(&config)))), Some("/a b"));
        assert_eq!(home(Some("made by hand")), None);
    }
}
