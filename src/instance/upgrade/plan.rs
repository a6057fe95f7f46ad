//! What a change of Synapse's version meets, and whether it can be: decided before anything is changed.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use indicatif::HumanBytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    instance::install::Lock,
    postgres::Tables,
    synapse::{facts::Facts, version::is_before},
};

/// How many bytes of a database and its media go into a backup in a second, on a slow disk.
const SPEED: u64 = 40 << 20;
/// What it takes to make an environment, in seconds.
const ENVIRONMENT: u64 = 60;
/// What it takes to import the new one, to let it check the settings, and to stop and start, in seconds.
const REST: u64 = 30;

/// What a version changed that no check finds, since it is still taken.
const NOTES: [(&str, &str); 6] = [
    (
        "1.126.0",
        "nobody publishes rooms in the directory any more unless `room_list_publication_rules` lets them",
    ),
    ("1.136.0", "metrics have other labels: `server_name` tells which server they are of"),
    ("1.139.0", "with delegated logins bridges have to register with `inhibit_login`"),
    ("1.150.0", "the lines that tell of requests in the log have another form"),
    (
        "1.151.0",
        "a statement of the database is given up after 10 minutes, not after an hour: `database.statement_timeout`",
    ),
    (
        "1.157.0",
        "`experimental_features.msc3861` is gone: `matrix_authentication_service` takes its place",
    ),
];

/// Why a version cannot take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// What is in the database is too new for it.
    Tables {
        needs: i32,
        knows: i32,
    },
    /// It would lose sight of rooms.
    Rooms {
        version: String,
        rooms: i64,
    },
    /// It would stumble over updates of the database that have begun.
    Updates(Vec<String>),
    Postgres {
        needs: i32,
        here: i32,
    },
    /// Modules that are not compiled.
    Uncompiled(usize),
    /// It does not take the settings.
    Settings(String),
    Disk {
        needed: u64,
        left: u64,
    },
}

impl Obstacle {
    /// Whether it goes away by itself.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::Updates(_))
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tables { needs, knows } => write!(
                f,
                "the database can only be read by a Synapse that knows version {needs} of its tables, and it knows {knows}"
            ),
            Self::Rooms { version, rooms } => {
                write!(f, "it does not know rooms of version {version}, and there are {rooms}")
            }
            Self::Updates(names) => write!(
                f,
                "it does not know these background updates, which have not ended: {}",
                names.join(", ")
            ),
            Self::Postgres { needs, here } => {
                write!(f, "it needs PostgreSQL {needs} or newer, and the server is {here}")
            }
            Self::Uncompiled(number) => write!(f, "{number} of its modules could not be compiled"),
            Self::Settings(why) => f.write_str(why),
            Self::Disk { needed, left } => write!(
                f,
                "it takes about {} on the disk, and {} are left",
                HumanBytes(*needed),
                HumanBytes(*left)
            ),
        }
    }
}

/// The version of the tables.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Schema {
    /// What they are now; nothing before Synapse has made any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) now: Option<i32>,
    /// The oldest version whose Synapse can read them now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) compat: Option<i32>,
    /// What the other Synapse makes of them; nothing as long as it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) then: Option<i32>,
    /// The oldest version whose Synapse can read them then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) compat_then: Option<i32>,
}

/// The version of something beside Synapse, and what the other Synapse needs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Needs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) here: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) needs: Option<String>,
}

/// What would be done, or is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Plan {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Whether the other Synapse is here already and was asked what it takes. A dry run brings nothing.
    pub(crate) asked: bool,
    /// In the order in which it is done.
    pub(crate) steps: Vec<String>,
    /// What keeps it from being done.
    pub(crate) obstacles: Vec<String>,
    /// What one should know although it can be done.
    pub(crate) notes: Vec<String>,
    pub(crate) schema: Schema,
    pub(crate) postgres: Needs,
    pub(crate) python: Needs,
    /// Background updates that have not ended: they go on.
    pub(crate) background_updates: Vec<String>,
    /// How many rooms there are of each version.
    pub(crate) room_versions: BTreeMap<String, i64>,
    /// The list of packages of the operator's own modules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) modules: Option<String>,
    /// The packages of the other Synapse, where they had to be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<Lock>,
    /// What it takes on the disk, in bytes.
    pub(crate) disk_needed: u64,
    /// What is left there, in bytes.
    pub(crate) disk_left: u64,
    /// About how long it takes, in seconds.
    pub(crate) seconds: u64,
    /// Whether `manage rollback` leads back; without it only the backup does. Nothing where nobody knows yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) way_back: Option<bool>,
}

/// Why this Synapse cannot take over that database.
pub(crate) fn obstacles(tables: &Tables, facts: &Facts) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if let Some((_, compat)) = tables.schema
        && facts.schema < compat
    {
        found.push(Obstacle::Tables { needs: compat, knows: facts.schema });
    }
    for (version, rooms) in &tables.rooms {
        if !facts.room_versions.contains(version) {
            found.push(Obstacle::Rooms { version: version.clone(), rooms: *rooms });
        }
    }
    if !facts.unknown_updates.is_empty() {
        found.push(Obstacle::Updates(facts.unknown_updates.clone()));
    }
    if let Some(needs) = facts.needs_postgres
        && tables.postgres < needs
    {
        found.push(Obstacle::Postgres { needs, here: tables.postgres });
    }
    if !facts.uncompiled.is_empty() {
        found.push(Obstacle::Uncompiled(facts.uncompiled.len()));
    }
    found
}

/// Whether the one can run again after the other has: its tables are not too new for it. What rooms there will
/// be nobody knows.
pub(crate) fn leads_back(from: &Facts, to: &Facts) -> bool {
    from.schema >= to.compat
}

/// What the versions in between have changed.
pub(crate) fn notes(from: &str, to: &str) -> Vec<String> {
    let between = |version: &str| is_before(from, version) && !is_before(to, version);
    let notes = NOTES.iter().filter(|(version, _)| between(version));
    notes.map(|(version, note)| format!("since {version} {note}")).collect()
}

/// About how long it takes, in seconds.
pub(crate) fn seconds(makes: bool, backup: Option<u64>) -> u64 {
    let environment = if makes { ENVIRONMENT } else { 0 };
    environment + backup.map_or(0, |bytes| bytes / SPEED) + REST
}

impl Plan {
    pub(crate) fn text(&self, page: &mut String) -> fmt::Result {
        let Self { from, to, schema, postgres, python, .. } = self;
        writeln!(page, "Synapse {from} -> {to}")?;
        if let (Some(now), Some(compat)) = (schema.now, schema.compat) {
            let then = schema.then.map_or("not known yet".to_owned(), |it| it.max(now).to_string());
            writeln!(page, "  tables: version {now}, which {compat} and later read; then {then}")?;
        }
        for (what, Needs { here, needs }) in [("PostgreSQL", postgres), ("Python", python)] {
            if let Some(here) = here {
                let needs = needs.as_deref().unwrap_or("not known yet");
                writeln!(page, "  {what}: {here}; needed: {needs}")?;
            }
        }
        if !self.room_versions.is_empty() {
            let rooms = self.room_versions.iter();
            let rooms: Vec<_> =
                rooms.map(|(it, number)| format!("{number} of version {it}")).collect();
            writeln!(page, "  rooms: {}", rooms.join(", "))?;
        }
        let pending = self.background_updates.len();
        if pending > 0 {
            writeln!(page, "  background updates that have not ended: {pending}; they go on")?;
        }
        if let Some(list) = &self.modules {
            writeln!(page, "  modules: those of {list}")?;
        }
        if let Some(lock) = &self.lock {
            write!(page, "  {}", lock.to_string().trim_end().replace('\n', "\n  "))?;
            page.push('\n');
        }
        writeln!(
            page,
            "  disk: about {}, {} left; time: about {} s",
            HumanBytes(self.disk_needed),
            HumanBytes(self.disk_left),
            self.seconds
        )?;
        for note in &self.notes {
            writeln!(page, "  note: {note}")?;
        }
        let back = match self.way_back {
            Some(true) => {
                "`manage rollback`, as long as no room is made that the old one does not know"
            }
            Some(false) => "only the backup: the old one cannot read what the new one writes",
            None => "known when the new one is here",
        };
        writeln!(page, "  way back: {back}")?;
        self.obstacles.iter().try_for_each(|it| writeln!(page, "  it cannot be done: {it}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(schema: i32, rooms: &[&str]) -> Facts {
        Facts {
            schema,
            compat: 84,
            needs_postgres: Some(14),
            room_versions: rooms.iter().map(|it| (*it).to_owned()).collect(),
            ..Facts::default()
        }
    }

    fn tables() -> Tables {
        Tables {
            schema: Some((94, 84)),
            rooms: vec![("10".into(), 3), ("12".into(), 1)],
            postgres: 15,
            ..Tables::default()
        }
    }

    #[test]
    fn a_synapse_that_knows_neither_tables_nor_rooms_is_refused_for_each() {
        let old = facts(83, &["10", "11"]);
        let found = obstacles(&tables(), &old);
        assert_eq!(
            found,
            [
                Obstacle::Tables { needs: 84, knows: 83 },
                Obstacle::Rooms { version: "12".into(), rooms: 1 }
            ]
        );
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(said[1], "it does not know rooms of version 12, and there are 1");
    }

    #[test]
    fn an_older_synapse_whose_tables_are_older_but_still_read_may_take_over() {
        assert_eq!(obstacles(&tables(), &facts(84, &["10", "12"])), []);
        // Nothing was ever written that it could not read.
        assert_eq!(obstacles(&Tables { postgres: 15, ..Tables::default() }, &facts(70, &[])), []);
    }

    #[test]
    fn updates_that_it_does_not_know_and_an_old_postgresql_are_in_the_way() {
        let old = Facts { unknown_updates: vec!["new_index".into()], ..facts(93, &["10", "12"]) };
        let tables = Tables { postgres: 13, ..tables() };
        assert_eq!(
            obstacles(&tables, &old),
            [
                Obstacle::Updates(vec!["new_index".into()]),
                Obstacle::Postgres { needs: 14, here: 13 }
            ]
        );
    }

    #[test]
    fn the_way_back_is_open_as_long_as_the_old_one_reads_what_the_new_one_writes() {
        let (old, new) = (facts(92, &[]), facts(94, &[]));
        assert!(leads_back(&old, &new));
        assert!(!leads_back(&old, &Facts { compat: 93, ..new }));
    }

    #[test]
    fn what_changed_between_two_versions_is_said_and_nothing_else() {
        let said = notes("1.150.0", "1.157.1");
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1].starts_with("since 1.157.0 `experimental_features.msc3861` is gone"));
        assert!(notes("1.163.2", "1.150.0").is_empty());
    }
}
