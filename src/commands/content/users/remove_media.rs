//! `content remove-user-media`.

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::turn;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg, user::find},
    },
    context::Context,
    matrix::admin::users::{delete_media, media},
    output::Sentence,
    reply::Stop,
};

/// How many at once: each is a file, and an answer should not take long.
const PAGE: u32 = 100;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    user_id: String,
    /// The files that are gone.
    removed: Vec<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let _turn = turn(context, &user_id, "content remove-user-media", args.patience).await;
    if find(&operator, &user_id).await?.is_none() {
        return Err(Stop::absent("user", "user_id", user_id));
    }
    let request = media::Request::newest(user_id.clone(), 1);
    let mut removed = Vec::new();
    if operator.send(request).await?.media.is_empty() {
        return Ok(Reply::done_if(false, Removed { user_id: user_id.into(), removed }));
    }
    context.would(format_args!("delete all that {user_id} uploaded"))?;
    let progress = context.progress(format!("deleting what {user_id} uploaded"));
    loop {
        let request = delete_media::Request { user_id: user_id.clone().into(), limit: PAGE };
        let gone = operator.send(request).await?.deleted_media;
        if gone.is_empty() {
            break;
        }
        removed.extend(gone);
        progress.now(format!("deleting what {user_id} uploaded: {} files", removed.len()));
    }
    drop(progress);
    Ok(Reply::done(Removed { user_id: user_id.into(), removed }))
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        let Self { user_id, removed } = self;
        match removed.len() {
            0 => format!("{user_id} has uploaded nothing"),
            1 => format!("deleted the file that {user_id} uploaded"),
            files => format!("deleted the {files} files that {user_id} uploaded"),
        }
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
