//! `content largest-rooms`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    error::Failure,
    matrix::{Error, admin::statistics::largest_rooms::Request, room},
    output::{Report, amount, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Largest {
    /// Largest first. The server counts what its database has gathered, which a young server has not yet.
    pub(crate) rooms: Vec<Size>,
    pub(crate) total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Size {
    pub(crate) room_id: String,
    pub(crate) name: Option<String>,
    /// About how large it is in the database, in bytes.
    pub(crate) bytes: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Largest> {
    let operator = args.patience.operator(context)?;
    let sizes = operator.send(Request {}).await.map_err(uncounted)?.rooms;
    let known = room::list(&operator, None).await?;
    let name = |id: &str| known.iter().find(|room| room.room_id == id)?.name.clone();
    let size = |size: crate::matrix::admin::statistics::largest_rooms::Size| Size {
        name: name(&size.room_id),
        room_id: size.room_id,
        bytes: size.estimated_size,
    };
    let mut rooms: Vec<Size> = sizes.into_iter().map(size).collect();
    rooms.sort_by_key(|room| std::cmp::Reverse(room.bytes));
    Ok(Reply::done(Largest { total: rooms.len(), rooms }))
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

impl Report for Largest {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |room: &Size| {
            vec![room.room_id.clone(), amount(room.bytes), room.name.clone().unwrap_or_default()]
        };
        table(page, &["ROOM", "SIZE", "NAME"], self.rooms.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.rooms.iter().map(|room| room.room_id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
