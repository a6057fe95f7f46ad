//! `content remove-device`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{Patience, UserArg},
            users::usable::{turn, usable},
        },
    },
    context::Context,
    error::Failure,
    matrix::admin::devices::{delete, list},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// The devices, as `list-devices` shows them
    #[arg(value_name = "DEVICE", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) devices: Vec<String>,
    /// All devices: the user is logged out everywhere
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    user_id: String,
    /// The devices that are gone now.
    removed: Vec<String>,
    /// Those that were not there.
    missing: Vec<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    // The session of this program.
    let own = (user_id == operator.user_id()).then(|| operator.session().device_id.clone());
    if let Some(own) = own.as_ref().filter(|own| args.devices.contains(own)) {
        let message = format!("with the device `{own}` this program acts");
        return Err(Failure::request(message).hinted("leave it out, or use `--all`").into());
    }
    let _turn = turn(context, &user_id, "content remove-device", args.patience).await;
    usable(&operator, &user_id).await?;
    let found = operator.send(list::Request { user_id: user_id.clone().into() }).await?.devices;
    let there: Vec<String> = found.into_iter().map(|device| device.device_id).collect();
    let (mut removed, missing): (Vec<_>, Vec<_>) = if args.all {
        (there.into_iter().filter(|device| Some(device) != own.as_ref()).collect(), Vec::new())
    } else {
        args.devices.into_iter().partition(|device| there.contains(device))
    };
    removed.sort();
    removed.dedup();
    if !removed.is_empty() {
        context.would(format_args!("log {user_id} out of {}", removed.join(", ")))?;
        let (user_id, devices) = (user_id.clone().into(), removed.clone());
        operator.send(delete::Request { user_id, devices }).await?;
    }
    let done = !removed.is_empty();
    Ok(Reply::done_if(done, Removed { user_id: user_id.into(), removed, missing }))
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        let Self { user_id, removed, missing } = self;
        let gone = match removed.as_slice() {
            [] if missing.is_empty() => format!("{user_id} is logged in nowhere"),
            [] => String::new(),
            _ => format!("{user_id} is logged out of {}", removed.join(", ")),
        };
        let missing = match missing.as_slice() {
            [] => String::new(),
            _ => format!("{user_id} has no device {}", missing.join(", ")),
        };
        let lines = [gone, missing].into_iter().filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    }

    fn id(&self) -> &str {
        if self.removed.is_empty() { "" } else { &self.user_id }
    }
}
