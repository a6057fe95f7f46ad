//! `content verify`: how far somebody is trusted; and that they are who they say, by a fingerprint or by emoji.

mod dialog;
mod refused;
mod shown;

use std::time::{Duration, Instant};

use ruma::{OwnedRoomId, UserId};
use tokio::time::sleep;

pub(crate) use self::shown::Shown;
use self::{
    dialog::{Begins, Compared},
    refused::{refused, unclear},
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Sending, transaction::quoted, user},
        offered,
    },
    context::Context,
    crypto::{Answer, Signed, Trust, Verify},
    error::Failure,
    matrix::{Error, client::Client, known, names, sealed},
};

/// How long the specification gives it.
const WITHIN: Duration = Duration::from_mins(10);
/// How long another device of the same account may take to hand on with what it signs.
const HANDED_ON: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(250);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The user; where nobody is named, whoever acts
    #[arg(add = offered::users())]
    pub(crate) user: Option<String>,
    /// One of their devices
    pub(crate) device: Option<String>,
    /// Verify them if this is the key of their identity, or of DEVICE
    #[arg(long, value_name = "KEY", conflicts_with_all = ["kept", "emoji", "forget"])]
    pub(crate) fingerprint: Option<String>,
    /// Verify a bot, or another account whose identity this installation keeps
    #[arg(long, conflicts_with_all = ["device", "emoji", "forget"])]
    pub(crate) kept: bool,
    /// Compare emoji with them, for ten minutes unless `--timeout` is given
    #[arg(long, conflicts_with = "forget")]
    pub(crate) emoji: bool,
    /// Wait until they begin
    #[arg(long, requires = "emoji", conflicts_with_all = ["device", "bare"])]
    pub(crate) wait: bool,
    /// Begin without asking first, for programs that know no requests, such as those with matrix-nio
    #[arg(long, requires_all = ["emoji", "device"])]
    pub(crate) bare: bool,
    /// Take somebody whose identity changed for one who was never verified
    #[arg(long, conflicts_with = "device")]
    pub(crate) forget: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Shown> {
    if args.emoji {
        dialog::require_person(context, args.user.as_deref())?;
    }
    let client = args.sending.client(context).await?;
    let user_id = match &args.user {
        Some(name) => names::anyone(name, client.server_name())?,
        None => client.user_id().to_owned(),
    };
    user::require(context, &args.sending.operator(context)?, &user_id).await?;
    if args.emoji {
        context.would(format_args!("compare emoji with {user_id}"))?;
        let compared = Compared {
            user: user_id.clone(),
            device: args.device.clone(),
            room: room(&args, &client, &user_id).await?,
            begins: match (args.wait, args.bare) {
                (true, _) => Begins::They,
                (_, true) => Begins::WeAtOnce,
                _ => Begins::We,
            },
            within: args.sending.given().unwrap_or(WITHIN),
        };
        dialog::compare(context, &client, &compared).await?;
        let mut known = trust(&client, &user_id).await?;
        let until = Instant::now() + HANDED_ON;
        while user_id == client.user_id() && !known.can_sign && Instant::now() < until {
            sleep(PAUSE).await;
            known = trust(&client, &user_id).await?;
        }
        return Ok(Reply::done(Shown::verified(&client, &user_id, known, args.device)));
    }
    let step = if args.forget {
        Verify::Forget { user_id: user_id.to_string() }
    } else if args.kept || args.fingerprint.is_some() {
        Verify::Sign {
            user_id: user_id.to_string(),
            device_id: args.device.clone(),
            fingerprint: args.fingerprint.clone(),
        }
    } else {
        let shown = Shown::of(&client, &user_id, trust(&client, &user_id).await?);
        return Ok(Reply::done(shown.only(args.device.as_deref())?));
    };
    let done = if args.forget { "forget that it was verified" } else { "verify" };
    context.would(format_args!("{done}: {user_id}"))?;
    let signed = match sealed::verify(&client, &step).await? {
        Answer::Signed { outcome: signed @ (Signed::Now | Signed::Before) } => signed,
        Answer::Signed { outcome } => {
            return Err(refused(&outcome, &client, &user_id, args.device.as_deref()).into());
        }
        _ => return Err(unclear(&client).into()),
    };
    let trust = trust(&client, &user_id).await?;
    let shown = if args.forget {
        Shown::forgotten(&client, &user_id, trust, signed == Signed::Now)
    } else {
        let device = trust.devices.iter().find(|it| Some(&it.device_id) == args.device.as_ref());
        if let Some(device) = device.filter(|device| !device.keys) {
            context.warn(format!(
                "{} gets keys of `--only-verified` alone, as its owner has not signed it: `config set encryption.share_with verified` and `manage restart` give them to all that are verified",
                device.device_id
            ));
        }
        Shown::verified(&client, &user_id, trust, args.device)
    };
    Ok(Reply::done_if(signed == Signed::Now, shown))
}

/// Where people are asked: in the direct room with them, where programs show it.
async fn room(args: &Args, client: &Client, user: &UserId) -> Result<Option<OwnedRoomId>, Failure> {
    if user == client.user_id() || args.device.is_some() {
        return Ok(None);
    }
    let found = known::find(client, user).await?;
    if found.is_none() && !args.wait {
        let name = quoted(user.as_str());
        let error = Error::NoDirect { user: client.user_id().to_string(), other: user.to_string() };
        return Err(Failure::from(error).hinted(format!(
            "`content send-message {name} TEXT` makes one; `content verify {name} DEVICE --emoji` asks one device"
        )));
    }
    Ok(found)
}

async fn trust(client: &Client, user: &UserId) -> Result<Trust, Failure> {
    let step = Verify::Show { user_id: user.to_string() };
    match sealed::verify(&client.afresh(), &step).await? {
        Answer::Trust(trust) => Ok(trust),
        _ => Err(unclear(client)),
    }
}
