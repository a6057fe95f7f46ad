//! `content quarantine-media`.

use schemars::JsonSchema;
use serde::Serialize;

use super::mxc::Mxc;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, RoomArg},
        offered,
    },
    context::Context,
    error::Failure,
    matrix::{Error, admin::media, client::Client, names, room},
    output::Sentence,
};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["file", "room", "user"]))]
pub(crate) struct Args {
    /// The address of the file
    #[arg(value_name = "MXC")]
    pub(crate) file: Option<Mxc>,
    /// All files that the messages of this room show
    #[arg(long, add = offered::rooms())]
    pub(crate) room: Option<String>,
    /// All files that this user has uploaded
    #[arg(long, add = offered::users())]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Quarantined {
    /// The file, the room or the user.
    pub(crate) of: String,
    /// How many files nobody can see any more since now.
    pub(crate) quarantined: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Quarantined> {
    let operator = args.patience.operator(context)?;
    let (of, quarantined) = if let Some(file) = args.file {
        (file.to_string(), one(&file, context, &operator).await?)
    } else if let Some(name) = args.room {
        let room = RoomArg::from(name).resolve(context, &operator).await?;
        if room::details(&operator, &room).await?.is_none() {
            return Err(Error::NoRoom(room.to_string()).into());
        }
        context.would(format_args!("keep everybody from seeing the files of {room}"))?;
        let request = media::quarantine_room::Request { room_id: room.clone().into() };
        (room.to_string(), operator.send(request).await?.num_quarantined)
    } else {
        let name = args.user.unwrap_or_default();
        let user = names::user(&name, operator.server_name())?;
        context.would(format_args!("keep everybody from seeing the files of {user}"))?;
        let request = media::quarantine_user::Request { user_id: user.clone().into() };
        (user.to_string(), operator.send(request).await?.num_quarantined)
    };
    Ok(Reply::done_if(quarantined > 0, Quarantined { of, quarantined }))
}

async fn one(file: &Mxc, context: &Context, operator: &Client) -> Result<u64, crate::reply::Stop> {
    let info = file.info(operator).await?;
    if info.quarantined_by.is_some() {
        return Ok(0);
    }
    if info.safe_from_quarantine == Some(true) {
        return Err(Failure::request(format!("`{file}` is protected from it"))
            .hinted(format!("`content unprotect-media {file}` lets it be quarantined"))
            .into());
    }
    context.would(format_args!("keep everybody from seeing {file}"))?;
    let (server_name, media_id) = (file.server.clone().into(), file.id.clone().into());
    operator.send(media::quarantine::Request { server_name, media_id }).await?;
    Ok(1)
}

impl Sentence for Quarantined {
    fn sentence(&self) -> String {
        let Self { of, quarantined } = self;
        match quarantined {
            0 if of.starts_with("mxc:") => format!("{of} is already quarantined"),
            0 => format!("there was nothing to quarantine of {of}"),
            1 if of.starts_with("mxc:") => format!("nobody can see {of} any more"),
            number => format!("nobody can see {number} files of {of} any more"),
        }
    }

    fn id(&self) -> &str {
        &self.of
    }
}
