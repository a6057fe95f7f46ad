//! `content rename-device`.

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
    matrix::admin::devices::{list, rename},
    output::Sentence,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// The device, as `list-devices` shows it
    pub(crate) device: String,
    /// Its new name
    #[arg(value_name = "DISPLAY_NAME")]
    pub(crate) display_name: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Renamed {
    user_id: String,
    device_id: String,
    display_name: String,
    /// False where it had this name before.
    changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Renamed> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let Args { device, display_name, .. } = args;
    let _turn = turn(context, &user_id, "content rename-device", args.patience).await;
    usable(&operator, &user_id).await?;
    let found = operator.send(list::Request { user_id: user_id.clone().into() }).await?.devices;
    let found = found.into_iter().find(|found| found.device_id == device);
    let found = found.ok_or_else(|| Stop::absent("device", "device_id", &device))?;
    let changed = found.display_name.unwrap_or_default() != display_name;
    if changed {
        context.would(format_args!("call the device {device} of {user_id} `{display_name}`"))?;
        let request = rename::Request {
            user_id: user_id.clone().into(),
            device_id: device.clone().into(),
            display_name: display_name.clone(),
        };
        operator.send(request).await?;
    }
    let user_id = user_id.into();
    Ok(Reply::done_if(changed, Renamed { user_id, device_id: device, display_name, changed }))
}

impl Sentence for Renamed {
    fn sentence(&self) -> String {
        let Self { device_id, display_name, changed, .. } = self;
        let when = if *changed { "now" } else { "already" };
        format!("{device_id} is called {display_name} {when}")
    }

    fn id(&self) -> &str {
        &self.device_id
    }
}
