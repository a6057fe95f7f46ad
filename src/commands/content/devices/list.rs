//! `content list-devices`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::{
            arguments::{Patience, UserArg},
            users::usable::usable,
        },
    },
    context::Context,
    matrix::admin::devices::list,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Devices {
    user_id: String,
    devices: Vec<Device>,
    total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Device {
    device_id: String,
    display_name: Option<String>,
    /// When it was last used, in milliseconds since 1970.
    last_seen_ms: Option<u64>,
    /// The address it was last used from.
    last_seen_ip: Option<String>,
    /// What its program calls itself.
    user_agent: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Devices> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    let found = operator.send(list::Request { user_id: user_id.clone().into() }).await?.devices;
    let mut devices: Vec<Device> = found.into_iter().map(Device::from).collect();
    devices.sort_by_key(|device| std::cmp::Reverse(device.last_seen_ms));
    Ok(Reply::done(Devices { user_id: user_id.into(), total: devices.len(), devices }))
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

impl Devices {
    fn table(&self, page: &mut String, columns: usize) -> fmt::Result {
        let heading = ["DEVICE", "NAME", "LAST SEEN", "FROM", "WITH"];
        let row = |device: &Device| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let mut row = vec![
                device.device_id.clone(),
                text(&device.display_name),
                device.last_seen_ms.map_or_else(|| "never".into(), clock::of_ms),
                text(&device.last_seen_ip),
                text(&device.user_agent),
            ];
            row.truncate(columns);
            row
        };
        table(page, &heading[..columns], self.devices.iter().map(row).collect())
    }
}

impl Report for Devices {
    fn text(&self, page: &mut String) -> fmt::Result {
        self.table(page, 4)
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.table(page, 5)
    }

    fn ids(&self) -> Option<String> {
        let ids = self.devices.iter().map(|device| device.device_id.as_str());
        Some(ids.collect::<Vec<_>>().join("\n"))
    }
}
