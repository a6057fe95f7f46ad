//! Whether backups are made and are good, and whether any moment can be reached that should be.

use super::{Check, Flow, Look};
use crate::{
    backup::{
        due::{State, Trouble},
        record::Record,
    },
    clock,
    config::{Config, sections::backup::Backup},
    error::Failure,
    files,
    postgres::{self, embedded::history},
};

/// So many files wait for a moment when much is written.
const MANY: usize = 16;

pub(crate) static STATE: Check = Check {
    name: "backups",
    about: "backups are made when they should be, the last one was tried and is good, and any moment can be reached that should be",
    remedy: "`status` shows how the backups are",
    flows: &[Flow::ConfigCheck],
    look: Look::Here(|subject| {
        let (config, record) = (subject.config, Record::read(&subject.config.data)?);
        one_way(&config.backup)?;
        let troubles = look(config, &record)?.troubles;
        Ok(troubles.iter().map(ToString::to_string).collect())
    }),
};

/// Refuses what no backup could be made with.
pub(crate) fn one_way(set: &Backup) -> Result<(), Failure> {
    if set.recipients.is_empty() || set.passphrase_file.is_none() {
        return Ok(());
    }
    Err(Failure::setting("`backup.recipients` and `backup.passphrase_file` are both set").hinted(
        "a backup is for keys or for a passphrase: `config set backup.passphrase_file ''`, or `config set backup.recipients ''`",
    ))
}

/// How the backups are, the ways to any moment among them.
pub(crate) fn look(config: &Config, record: &Record) -> Result<State, Failure> {
    let mut state = State::of(&config.backup, record, clock::now());
    if config.is_joined() {
        state.troubles.clear();
    } else if config.backup.point_in_time {
        state.troubles.extend(way_to_any_moment(config)?);
    }
    Ok(state)
}

fn way_to_any_moment(config: &Config) -> Result<Option<Trouble>, Failure> {
    let data = &config.data;
    let (news, what, remedy) = if !postgres::target(config)?.is_embedded() {
        (
            "of others",
            "`backup.point_in_time` has no effect: the database is on a server of others",
            "who runs that server has to keep what it writes; `config set backup.point_in_time false`",
        )
    } else if is_held_up(config)? {
        (
            "held up",
            "PostgreSQL cannot hand over what it writes, and keeps it",
            "`logs postgres` says why",
        )
    } else if history::list(data)?.is_empty() {
        (
            "no base",
            "no moment can be reached: there is no base backup yet",
            "`manage backup` makes one, and a schedule makes them anew",
        )
    } else if config.backup.schedule.is_none() {
        (
            "no schedule",
            "all that is written is kept and never removed: base backups are made by hand alone",
            "`manage backup schedule '0 3 * * *'` makes one every night",
        )
    } else {
        return Ok(None);
    };
    Ok(Some(Trouble { news: news.into(), what: what.into(), remedy: remedy.into() }))
}

fn is_held_up(config: &Config) -> Result<bool, files::Error> {
    Ok(history::waiting(&config.data)? > MANY)
}
