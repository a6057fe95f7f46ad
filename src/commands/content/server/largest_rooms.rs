//! `content largest-rooms`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        content::arguments::Patience,
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    error::Failure,
    matrix::{Error, admin::statistics::largest_rooms::Request, room},
    output::{Row, amount},
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) list: ListArgs<Size>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Largest {}

impl Listed for Largest {
    type Row = Size;
    const KEY: &'static str = "rooms";
    const ORDER: &'static str = "Largest first. The server counts what its database has gathered, which a young server has not yet.";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Size {
    pub(crate) room_id: String,
    pub(crate) name: Option<String>,
    /// About how large it is in the database, in bytes.
    pub(crate) bytes: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Largest>, Stop> {
    let operator = args.patience.operator(context)?;
    let sizes = operator.send(Request {}).await.map_err(uncounted)?.rooms;
    let known = room::list(&operator).await?;
    let name = |id: &str| known.iter().find(|room| room.room_id == id)?.name.clone();
    let size = |size: crate::matrix::admin::statistics::largest_rooms::Size| Size {
        name: name(&size.room_id),
        room_id: size.room_id,
        bytes: size.estimated_size,
    };
    let mut rooms: Vec<Size> = sizes.into_iter().map(size).collect();
    rooms.sort_by_key(|room| std::cmp::Reverse(room.bytes));
    Ok(List::of(args.list, Largest {}, rooms))
}

/// Synapse fails where PostgreSQL has not yet looked at each of the tables that it asks about.
fn uncounted(error: Error) -> Failure {
    match error {
        Error::Refused { status: 500, .. } => Failure::environment(
            "the database has no figures yet of how large each room is",
        )
        .hinted("PostgreSQL gathers them as tables grow, or at once by `ANALYZE`; `logs synapse` tells of other causes"),
        error => error.into(),
    }
}

impl Row for Size {
    const HEADING: &'static [&'static str] = &["ROOM", "SIZE", "NAME"];

    fn cells(&self) -> Vec<String> {
        vec![self.room_id.clone(), amount(self.bytes), self.name.clone().unwrap_or_default()]
    }

    fn id(&self) -> Cow<'_, str> {
        self.room_id.as_str().into()
    }
}
