//! `content relay status`, `conversations`, `dead`, `retry`, `drop`, `keys`, `add-key` and `remove-key`.

use sqlx::PgPool;

use super::shown::{Changed, Conversations, Dead, Keys, NewKey, Status};
use crate::{
    commands::{Reply, listing::one_said},
    config::{Config, sections::stack::Part},
    context::Context,
    error::Failure,
    relay::{Error, database, keys, look},
    reply::Stop,
    services::RELAY,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to do: show how it is, its conversations or what was refused; send that again or forget it; list, make or remove keys
    #[arg(value_name = "ACTION")]
    action: Action,
    /// With `retry` and `drop` what was refused, by the numbers in `dead`; with `add-key` and `remove-key` the name of the key
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// With `retry` and `drop`: all that was refused
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// With `add-key`: the key only reads
    #[arg(long)]
    read_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    Status,
    Conversations,
    Dead,
    Retry,
    Drop,
    Keys,
    AddKey,
    RemoveKey,
}

one_said!(Answer {
    Status(Reply<Status> => Status),
    Conversations(Reply<Conversations> => Conversations),
    Dead(Reply<Dead> => Dead),
    Changed(Reply<Changed> => Changed),
    Keys(Reply<Keys> => Keys),
    NewKey(Reply<NewKey> => NewKey),
});

pub(crate) async fn run(args: Args, context: &Context) -> Result<Answer, Stop> {
    let config = context.config()?;
    if !config.has(Part::Relay) {
        let failure =
            Failure::setting(format!("the profile `{}` has no relay", config.profile.name));
        return Err(failure
            .hinted("`config set stack.profile relay` sets one that has; then `manage restart`")
            .into());
    }
    fits(&args)?;
    let pool = database::open(config).await?;
    let answered = act(&args, context, config, &pool).await;
    pool.close().await;
    answered
}

/// Refuses what does not go with the action, before anything is asked.
fn fits(args: &Args) -> Result<(), Failure> {
    let Args { action, ids, all, read_only } = args;
    let fault = |what: &str, how: &str| Err(Failure::request(what).hinted(how));
    if *all && !matches!(action, Action::Retry | Action::Drop) {
        return fault("`--all` goes with `retry` and `drop`", "leave it out");
    }
    if *read_only && *action != Action::AddKey {
        return fault("`--read-only` goes with `add-key`", "leave it out");
    }
    match action {
        Action::Retry | Action::Drop if ids.is_empty() && !all => fault(
            "it is not said which messages",
            "name them as `content relay dead` does, or give `--all`",
        ),
        Action::Retry | Action::Drop => Ok(()),
        Action::AddKey | Action::RemoveKey if ids.len() == 1 => Ok(()),
        Action::AddKey | Action::RemoveKey => {
            fault("name one key", "`content relay keys` lists them")
        }
        _ if ids.is_empty() => Ok(()),
        _ => fault("this action takes no ID", "leave it out"),
    }
}

async fn act(
    args: &Args,
    context: &Context,
    config: &Config,
    pool: &PgPool,
) -> Result<Answer, Stop> {
    let Args { action, ids, read_only, .. } = args;
    match action {
        Action::Status => {
            let counted = look::counted(pool).await?;
            let now = context.supervisor().await?;
            let report = now.as_ref().and_then(|now| now.services.get(RELAY));
            let running = report.is_some_and(|relay| relay.pid.is_some());
            let url = config.relay_url();
            Ok(Answer::Status(Reply::done(Status { url, running, counted })))
        }
        Action::Conversations => {
            let conversations = look::conversations(pool).await?;
            Ok(Answer::Conversations(Reply::done(Conversations { conversations })))
        }
        Action::Dead => Ok(Answer::Dead(Reply::done(Dead { dead: look::dead(pool).await? }))),
        Action::Retry | Action::Drop => letters(args, context, pool).await.map(Answer::Changed),
        Action::Keys => Ok(Answer::Keys(Reply::done(Keys { keys: keys::all(pool).await? }))),
        Action::AddKey => {
            let id = ids.first().cloned().unwrap_or_default();
            let words: &[&str] = if *read_only { &["read"] } else { &["read", "write"] };
            let scopes: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            context.would(format_args!("make the key {id}"))?;
            let key = keys::add(pool, &id, &scopes).await?.expose().to_owned();
            Ok(Answer::NewKey(Reply::done(NewKey { id, key, scopes })))
        }
        Action::RemoveKey => {
            let id = ids.first().cloned().unwrap_or_default();
            context.would(format_args!("remove the key {id}"))?;
            let changed = u64::from(keys::remove(pool, &id).await?);
            let answer = Changed { action: "remove-key", changed };
            Ok(Answer::Changed(Reply::done_if(changed > 0, answer)))
        }
    }
}

/// Sends what was refused again, or forgets it. One that is not there is an error, before anything changes.
async fn letters(args: &Args, context: &Context, pool: &PgPool) -> Result<Reply<Changed>, Stop> {
    let known = look::dead(pool).await?;
    if let Some(id) = args.ids.iter().find(|id| !known.iter().any(|it| it.id == **id)) {
        return Err(Error::Absent { what: "refused message", id: id.clone() }.into());
    }
    let wanted = known.iter().filter(|it| args.all || args.ids.contains(&it.id));
    let ids: Vec<i64> = wanted.filter_map(|it| it.id.parse().ok()).collect();
    let (action, changed) = if args.action == Action::Retry {
        context.would(format_args!("send {} again", ids.len()))?;
        ("retry", look::retry(pool, &ids).await?)
    } else {
        context.would(format_args!("forget {}", ids.len()))?;
        ("drop", look::forget(pool, &ids).await?)
    };
    Ok(Reply::done_if(changed > 0, Changed { action, changed }))
}
