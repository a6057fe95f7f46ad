//! How the backups are: the last good one, whether it was tried, and what is wrong.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    backup::{
        due::State,
        record::{Known, Record},
    },
    checks::backups,
    clock,
    config::Config,
    error::Failure,
    postgres::embedded::history,
};

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Backups {
    /// The last that nothing is known against.
    pub(crate) last: Option<String>,
    /// RFC 3339, UTC, as the next two.
    pub(crate) last_at: Option<String>,
    /// How old that one is, in seconds.
    pub(crate) age_seconds: Option<u64>,
    /// Whether that one was restored and compared.
    pub(crate) verified: bool,
    /// When the last good trial of any of them was.
    pub(crate) verified_at: Option<String>,
    /// From when on any moment can be reached, where that is switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) moments_since: Option<String>,
    /// When the next one is due by schedule.
    pub(crate) next: Option<String>,
    /// What is wrong, each with what to type.
    pub(crate) troubles: Vec<String>,
}

impl Backups {
    /// Nothing where the homeserver is on another machine.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, Failure> {
        if config.is_joined() {
            return Ok(None);
        }
        let (record, now) = (Record::read(&config.data)?, clock::now());
        let set = &config.backup;
        let State { last, verified, next, troubles } = backups::look(config, &record)?;
        let text = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let bases = if set.point_in_time { history::list(&config.data)? } else { Vec::new() };
        let age = last.as_ref().map(|it| now.duration_since(it.made_at).as_secs());
        Ok(Some(Self {
            last_at: last.as_ref().map(|it| text(it.made_at)),
            age_seconds: age.map(|age| u64::try_from(age).unwrap_or_default()),
            verified: last.as_ref().is_some_and(Known::is_verified),
            last: last.map(|it| it.place),
            verified_at: verified.and_then(|it| Some(text(it.tried?.at))),
            moments_since: bases.first().map(|base| text(base.at)),
            next: next.map(|at| text(at.max(now))),
            troubles: troubles.iter().map(ToString::to_string).collect(),
        }))
    }
}
