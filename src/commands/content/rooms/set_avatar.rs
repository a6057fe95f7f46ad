//! `content set-avatar`.

use std::{path::Path, str::FromStr as _};

use ruma::OwnedUserId;
use rustix::fs::FileType;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::change;
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{RoomArg, Sending},
            media::mxc::Mxc,
            users::usable::{turn, usable},
        },
        offered,
    },
    context::Context,
    error::Failure,
    files,
    matrix::{Error, admin::users::put, client::Client, media::Media, names},
    output::Sentence,
    reply::Stop,
};

/// More than any homeserver takes, in bytes; its own limit is `synapse.max_upload_size`.
const LARGEST: u64 = 1 << 30;
const AVATAR: &str = "m.room.avatar";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The room: id, alias or exact name; or a user, with the sign: `@alice`
    #[arg(value_name = "ROOM", add = offered::rooms())]
    pub(crate) whose: String,
    /// The picture: a file, or the address of one, `mxc://…`; an empty text takes the picture away
    #[arg(value_name = "FILE")]
    pub(crate) picture: String,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    /// Of a room that has the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<String>,
    /// Of a user who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<String>,
    /// Where the picture is: `mxc://…`; none where it was taken away.
    pub(crate) url: Option<String>,
    /// False where it was so before. A file is always a new picture.
    pub(crate) changed: bool,
}

/// What was given as a picture.
enum Picture {
    None,
    At(String),
    File(Box<Media>),
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { whose, picture, sending } = args;
    let picture = Picture::of(&picture)?;
    if whose.starts_with('@') {
        return of_user(&whose, picture, &sending, context).await;
    }
    let room = RoomArg::from(whose);
    let (client, id) = sending.in_room(context, &room).await?;
    if let Picture::File(media) = &picture {
        context.would(format_args!("show `{}` as the picture of {id}", media.name))?;
    }
    let (url, info) = picture.put(&client, context).await?;
    let content = match (&url, info) {
        (Some(url), Some(info)) => json!({ "url": url, "info": info }),
        (Some(url), None) => json!({ "url": url }),
        (None, _) => json!({}),
    };
    let about = (&RoomArg::from(id.as_str()), &sending);
    let wanted = |now: &Value| (now["url"].as_str() != url.as_deref()).then_some(content);
    let (room_id, changed) = change::set(about, context, (AVATAR, "the picture"), wanted).await?;
    let answer = Set { room_id: Some(room_id.into()), user_id: None, url, changed };
    Ok(Reply::done_if(changed, answer))
}

async fn of_user(
    name: &str,
    picture: Picture,
    sending: &Sending,
    context: &Context,
) -> Answered<Set> {
    let patience = sending.only_operator()?;
    let operator = patience.operator(context)?;
    let user_id: OwnedUserId = names::user(name, operator.server_name())?;
    let _turn = turn(context, &user_id, "content set-avatar", patience).await;
    let now = usable(&operator, &user_id).await?.avatar_url.filter(|url| !url.is_empty());
    if let Picture::File(media) = &picture {
        context.would(format_args!("show `{}` as the picture of {user_id}", media.name))?;
    }
    let (url, _) = picture.put(&operator, context).await?;
    let changed = now != url;
    if changed {
        context.would(format_args!("set the picture of {user_id}"))?;
        let url = url.as_deref().unwrap_or_default();
        operator.send(put::Request::pictured(&user_id, url)).await?;
    }
    let answer = Set { room_id: None, user_id: Some(user_id.into()), url, changed };
    Ok(Reply::done_if(changed, answer))
}

impl Picture {
    fn of(text: &str) -> Result<Self, Failure> {
        if text.is_empty() {
            return Ok(Self::None);
        }
        if text.starts_with("mxc:") {
            let mxc = Mxc::from_str(text)
                .map_err(|why| Failure::request(format!("the picture `{text}` {why}")))?;
            return Ok(Self::At(mxc.to_string()));
        }
        let path = Path::new(text);
        let bytes = files::read_bytes(path, LARGEST, &[FileType::RegularFile])?;
        let media = Media::new(path, bytes, None);
        if media.message_type() != "m.image" {
            let message = format!("`{text}` is no picture but {}", media.kind);
            return Err(Failure::request(message)
                .hinted("name a picture by its ending, such as `.png` or `.jpg`"));
        }
        Ok(Self::File(Box::new(media)))
    }

    /// Where it is, and its measures, once the server has it.
    async fn put(
        self,
        client: &Client,
        context: &Context,
    ) -> Result<(Option<String>, Option<Value>), Stop> {
        let media = match self {
            Self::None => return Ok((None, None)),
            Self::At(url) => return Ok((Some(url), None)),
            Self::File(media) => media,
        };
        media.fits(client).await?;
        let progress = context.progress(format!("uploading {}", media.name));
        let at = media.upload(client, false).await.map_err(uploaded)?;
        drop(progress);
        let info = media.content(&at, None)["info"].take();
        Ok((Some(at.file.url), Some(info)))
    }
}

fn uploaded(error: Error) -> Failure {
    let unknown = error.is_outcome_unknown();
    let failure = Failure::from(error);
    if unknown { failure.hinted("run it again: nothing shows the picture yet") } else { failure }
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let whose = self.id();
        match (&self.url, self.changed) {
            (Some(url), true) => format!("{whose} has the picture {url} now"),
            (Some(url), false) => format!("{whose} has the picture {url} already"),
            (None, true) => format!("{whose} has no picture any more"),
            (None, false) => format!("{whose} has no picture"),
        }
    }

    fn id(&self) -> &str {
        self.room_id.as_deref().or(self.user_id.as_deref()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_file_an_address_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            files::write_atomically(&path, b"x", files::PRIVATE).unwrap();
            path.display().to_string()
        };
        assert!(matches!(Picture::of("").unwrap(), Picture::None));
        assert!(matches!(Picture::of("mxc://x.org/a").unwrap(), Picture::At(_)));
        assert!(matches!(Picture::of(&write("a.png")).unwrap(), Picture::File(_)));
        for wrong in ["mxc://x.org", &write("a.txt"), "/nowhere/a.png"] {
            assert!(Picture::of(wrong).is_err(), "{wrong}");
        }
    }
}
