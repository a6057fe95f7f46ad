//! `content list-devices`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        content::{
            arguments::{Patience, UserArg},
            users::usable::usable,
        },
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::admin::devices::list,
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) list: ListArgs<Device>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Devices {
    user_id: String,
}

impl Listed for Devices {
    type Row = Device;
    const KEY: &'static str = "devices";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Device {
    device_id: String,
    display_name: Option<String>,
    /// When it was last used, in milliseconds since 1970.
    last_seen_ms: Option<u64>,
    /// The address it was last used from.
    last_seen_ip: Option<String>,
    /// What its program calls itself.
    user_agent: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Devices>, Stop> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    let found = operator.send(list::Request { user_id: user_id.clone().into() }).await?.devices;
    let mut devices: Vec<Device> = found.into_iter().map(Device::from).collect();
    devices.sort_by_key(|device| std::cmp::Reverse(device.last_seen_ms));
    Ok(List::of(args.list, Devices { user_id: user_id.into() }, devices))
}

impl From<list::Device> for Device {
    fn from(device: list::Device) -> Self {
        Self {
            device_id: device.device_id,
            display_name: device.display_name,
            last_seen_ms: device.last_seen_ts,
            last_seen_ip: device.last_seen_ip,
            user_agent: device.last_seen_user_agent,
        }
    }
}

impl Row for Device {
    const HEADING: &'static [&'static str] = &["DEVICE", "NAME", "LAST SEEN", "FROM", "WITH"];
    const FIRST: usize = 4;

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.device_id.clone(),
            text(&self.display_name),
            self.last_seen_ms.map_or_else(|| "never".into(), clock::of_ms),
            text(&self.last_seen_ip),
            text(&self.user_agent),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.device_id.as_str().into()
    }
}
