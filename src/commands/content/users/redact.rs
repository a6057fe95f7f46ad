//! `content redact-user`.

use std::{collections::BTreeMap, time::Duration};

use ruma::UserId;
use schemars::JsonSchema;
use serde::Serialize;

use super::usable::turn;
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{Patience, UserArg, room, user::find},
            background::{self, Ended, State},
        },
        offered,
    },
    context::Context,
    error::Failure,
    matrix::{
        admin::users::{redact, redact_status},
        client::Client,
    },
    output::{Progress, Sentence},
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// Only in this room, may be repeated; without it in all that the user is in or is banned from
    #[arg(long = "room", value_name = "ROOM", add = offered::rooms())]
    pub(crate) rooms: Vec<String>,
    /// Why, as the rooms are told
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// At most so many messages in each room, the latest first; 1000 where it is not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Redacted {
    user_id: String,
    /// What the server calls this work.
    redact_id: String,
    /// The messages that could not be redacted, each with the reason.
    failed: BTreeMap<String, String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Redacted> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let _turn = turn(context, &user_id, "content redact-user", args.patience).await;
    if find(&operator, &user_id).await?.is_none() {
        return Err(Stop::absent("user", "user_id", user_id));
    }
    let mut rooms = Vec::new();
    for text in &args.rooms {
        rooms.push(room::resolved(context, &operator, text).await?);
    }
    let place = match args.rooms.as_slice() {
        [] => "all its rooms".to_owned(),
        rooms => rooms.join(", "),
    };
    context.would(format_args!("redact what {user_id} wrote in {place}"))?;
    let target = user_id.clone().into();
    let request =
        redact::Request { user_id: target, rooms, reason: args.reason, limit: args.limit };
    let redact_id = operator.send(request).await?.redact_id;
    let progress = context.progress(format!("redacting {user_id}"));
    let timeout = args.patience.timeout();
    let failed = finished(&operator, &user_id, &redact_id, timeout, &progress).await?;
    drop(progress);
    let outcome = if failed.is_empty() { Outcome::Done } else { Outcome::Unwell };
    Ok(Reply { outcome, answer: Redacted { user_id: user_id.into(), redact_id, failed } })
}

/// Waits for the server, which redacts in the background; what it could not redact.
async fn finished(
    operator: &Client,
    user_id: &UserId,
    redact_id: &str,
    timeout: Duration,
    progress: &Progress,
) -> Result<BTreeMap<String, String>, Failure> {
    let failed = |why: String| Failure::environment(format!("`{user_id}` is not redacted: {why}"));
    let ask = async || {
        let request = redact_status::Request { redact_id: redact_id.to_owned().into() };
        let state = operator.send(request).await?;
        let redact_status::Response { status, error, failed_redactions: found } = state;
        Ok(State { status, error, found })
    };
    match background::ended(timeout, progress, &format!("redacting {user_id}"), ask).await? {
        Ended::Complete(not_redacted) => Ok(not_redacted),
        Ended::Failed(why) => {
            Err(failed(why).hinted("`logs synapse` tells more; then run it again"))
        }
        Ended::AtWork => {
            let hint = format!(
                "`content execute --name 'GET /_synapse/admin/v1/user/redact_status/{redact_id}'` shows how far it is; `--timeout SECONDS` waits longer"
            );
            Err(failed("it is still at work and goes on without us".into()).hinted(hint))
        }
    }
}

impl Sentence for Redacted {
    fn sentence(&self) -> String {
        let Self { user_id, failed, .. } = self;
        if failed.is_empty() {
            return format!("redacted what {user_id} wrote");
        }
        let each = failed.iter().map(|(event, why)| format!("\n{event}: {why}"));
        let each: String = each.collect();
        let count = failed.len();
        format!(
            "redacted what {user_id} wrote, except for {count}:{each}\n`content redact-message ROOM EVENT` takes one away as the operator"
        )
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
