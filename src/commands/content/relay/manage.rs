//! `content relay status`, `conversations`, `replay`, `dead`, `retry`, `drop`, `reset`, `keys`, `add-key` and `remove-key`.

use sqlx::PgPool;

use super::shown::{Changed, Conversations, Dead, Keys, NewKey, Status};
use crate::{
    commands::{Reply, listing::one_said},
    config::{Config, sections::stack::Part},
    context::Context,
    error::Failure,
    output,
    relay::{
        Error, database, keys, look,
        reset::{self, Done, What},
    },
    reply::Stop,
    services::RELAY,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to do: show how it is, its conversations or what was refused; send that again or forget it; tell Matrix what it has not of a conversation; begin again in Matrix; list, make or remove keys
    #[arg(value_name = "ACTION")]
    action: Action,
    /// With `retry` and `drop` what was refused, by the numbers in `dead`; with `replay` conversations, by id or slug; with `add-key` and `remove-key` the name of the key
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// With `retry` and `drop`: all that was refused; with `replay` all conversations; with `reset` rooms, tokens, the ids of users, and what waits or was refused
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// With `reset`: new tokens and devices; ids and rooms stay
    #[arg(long, conflicts_with = "all")]
    tokens: bool,
    /// With `reset`: each conversation gets another room with its next message
    #[arg(long, conflicts_with_all = ["all", "tokens"])]
    rooms: bool,
    /// With `reset`: do not ask
    #[arg(long)]
    force: bool,
    /// With `add-key`: the key only reads
    #[arg(long)]
    read_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    Status,
    Conversations,
    Replay,
    Dead,
    Retry,
    Drop,
    Reset,
    Keys,
    AddKey,
    RemoveKey,
}

one_said!(Answer {
    Status(Reply<Status> => Status),
    Conversations(Reply<Conversations> => Conversations),
    Dead(Reply<Dead> => Dead),
    Changed(Reply<Changed> => Changed),
    Reset(Reply<Done> => Done),
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
    let Args { action, ids, all, read_only, tokens, rooms, force } = args;
    let fault = |what: &str, how: &str| Err(Failure::request(what).hinted(how));
    if *all && !matches!(action, Action::Retry | Action::Drop | Action::Replay | Action::Reset) {
        return fault("`--all` goes with `retry`, `drop`, `replay` and `reset`", "leave it out");
    }
    if *read_only && *action != Action::AddKey {
        return fault("`--read-only` goes with `add-key`", "leave it out");
    }
    if (*tokens || *rooms || *force) && *action != Action::Reset {
        return fault("`--tokens`, `--rooms` and `--force` go with `reset`", "leave them out");
    }
    match action {
        Action::Retry | Action::Drop if ids.is_empty() && !all => fault(
            "it is not said which messages",
            "name them as `content relay dead` does, or give `--all`",
        ),
        Action::Replay if ids.is_empty() && !all => fault(
            "it is not said which conversations",
            "name them as `content relay conversations` does, or give `--all`",
        ),
        Action::Reset if ids.is_empty() && !(*all || *tokens || *rooms) => {
            fault("it is not said what begins again", "give `--tokens`, `--rooms` or `--all`")
        }
        Action::Retry | Action::Drop | Action::Replay => Ok(()),
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
    let Args { action, ids, all, read_only, force, .. } = args;
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
        Action::Replay => {
            let named = if *all { None } else { Some(look::named(pool, ids).await?) };
            context.would(format_args!("tell Matrix what it has not"))?;
            let changed = look::replay(pool, named.as_deref()).await?;
            let answer = Changed { action: "replay", changed };
            Ok(Answer::Changed(Reply::done_if(changed > 0, answer)))
        }
        Action::Reset => {
            let what = match args {
                Args { tokens: true, .. } => What::Tokens,
                Args { rooms: true, .. } => What::Rooms,
                _ => What::All,
            };
            context.would(format_args!("begin again with {}", begun(what)))?;
            agreed(what, *force)?;
            Ok(Answer::Reset(Reply::done(reset::reset(config, pool, what).await?)))
        }
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

/// What begins again, in words.
fn begun(what: What) -> &'static str {
    match what {
        What::Tokens => "the tokens and devices of the relay",
        What::Rooms => "the rooms of all conversations; nobody speaks in the old ones any more",
        What::All => {
            "the tokens, rooms and Matrix ids of the relay; what waits for the homeserver or was refused is forgotten"
        }
    }
}

/// Nothing of it comes back, so somebody has to say that they want it.
fn agreed(what: What, force: bool) -> Result<(), Failure> {
    if force {
        return Ok(());
    }
    if !output::stdin_is_terminal() {
        return Err(Failure::request(
            "there is no terminal to ask whether to begin again, so nothing was reset",
        )
        .hinted("`--force` does it without a question"));
    }
    if output::confirm(&format!("begin again with {}?", begun(what))) {
        Ok(())
    } else {
        Err(Failure::request("nothing was reset"))
    }
}
