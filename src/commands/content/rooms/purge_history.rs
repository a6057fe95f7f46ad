//! `content purge-history`.

use std::{str::FromStr, time::Duration};

use jiff::Timestamp;
use ruma::{OwnedEventId, RoomId};
use schemars::JsonSchema;
use serde::Serialize;

use super::get::named;
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{Patience, RoomArg},
            background::{self, Ended, State},
        },
        moment::moment,
    },
    context::Context,
    error::Failure,
    matrix::{admin::rooms, client::Client, names, room},
    output::{Progress, Sentence},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Take away what is older than this event or time, such as 30d or 2026-11-21T05:00:00Z
    #[arg(long, value_name = "TIME|EVENT")]
    pub(crate) before: Before,
    /// Also what users of this server wrote, of which there may be no copy elsewhere
    #[arg(long)]
    pub(crate) local_too: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Up to where.
#[derive(Clone, Debug)]
pub(crate) enum Before {
    Event(OwnedEventId),
    Time(Timestamp),
}

impl FromStr for Before {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('$') {
            return names::event(text).map(Self::Event).map_err(|error| error.to_string());
        }
        moment(text).map(Self::Time)
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Purged {
    pub(crate) room_id: String,
    /// False where there was nothing so old.
    pub(crate) purged: bool,
    pub(crate) local_too: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Purged> {
    let Args { room, before, local_too, patience } = args;
    let operator = patience.operator(context)?;
    let id = named(context, &operator, &room).await?;
    if let Before::Event(event) = &before {
        room::require_event(&operator, &id, event).await?;
    }
    context.would(format_args!("purge the history of {id}"))?;
    let (event, time) = match before {
        Before::Event(event) => (Some(event), None),
        Before::Time(time) => (None, Some(time.as_millisecond())),
    };
    let request = rooms::purge_history::Request {
        room_id: id.clone().into(),
        delete_local_events: local_too,
        purge_up_to_event_id: event,
        purge_up_to_ts: time,
    };
    let purged = match operator.send(request).await {
        Ok(started) => {
            let progress = context.progress(format!("purging the history of {id}"));
            let timeout = patience.timeout();
            finished(&operator, &id, &started.purge_id, timeout, &progress).await?;
            true
        }
        Err(error) if error.is_not_found() => false,
        Err(error) => return Err(error.into()),
    };
    Ok(Reply::done_if(purged, Purged { room_id: id.into(), purged, local_too }))
}

/// Waits for the server, which purges in the background.
async fn finished(
    operator: &Client,
    room: &RoomId,
    purge_id: &str,
    timeout: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let failed = |reason: &str| {
        let message = format!("the history of `{room}` could not be purged: {reason}");
        Err(Failure::environment(message).hinted("`content list-tasks` shows how far it is"))
    };
    let ask = async || {
        let request = rooms::purge_status::Request { purge_id: purge_id.to_owned().into() };
        let rooms::purge_status::Response { status, error } = operator.send(request).await?;
        Ok(State { status, error, found: () })
    };
    let doing = format!("purging the history of {room}");
    match background::ended(timeout, progress, &doing, ask).await? {
        Ended::Complete(()) => Ok(()),
        Ended::Failed(why) => failed(&why),
        Ended::AtWork => failed("it is still at work; it goes on without us"),
    }
}

impl Sentence for Purged {
    fn sentence(&self) -> String {
        let Self { room_id, purged, .. } = self;
        if *purged {
            format!("purged the history of {room_id}")
        } else {
            format!("there is nothing so old in {room_id}")
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_or_a_time_is_the_end() {
        assert!(matches!("$1:x.org".parse(), Ok(Before::Event(_))));
        assert!(matches!("30d".parse(), Ok(Before::Time(_))));
        for wrong in ["$", "yesterday", ""] {
            wrong.parse::<Before>().unwrap_err();
        }
    }
}
