//! `content media`: how much there is of what people have uploaded, and of whom.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    files,
    instance::status::media::{self, Files, Stored},
    matrix::admin::statistics::users_media::{Request, Usage},
    output::{self, Report, amount},
    s3,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show so many users, those with the most first
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Figures {
    /// On this machine's disk, by what it is.
    stored: Stored,
    /// How large all of it is, in bytes.
    bytes: u64,
    /// What is left of the disk, in bytes.
    left: Option<u64>,
    /// The bucket in which uploads are kept as well.
    bucket: Option<String>,
    users: Vec<Usage>,
    /// How many users have uploaded something.
    total_users: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Figures> {
    let operator = args.patience.operator(context)?;
    let page = operator.send(Request::largest_first(args.limit)).await?;
    let data = context.data()?;
    let stored = media::stored(&data)?;
    let Stored { local, local_thumbnails, remote, remote_thumbnails, previews } = &stored;
    let all = [local, local_thumbnails, remote, remote_thumbnails, previews];
    Ok(Reply::done(Figures {
        bytes: all.iter().map(|files| files.bytes).sum(),
        left: files::space_left(data.root()).ok(),
        bucket: s3::described(&context.config()?.media),
        users: page.users,
        total_users: page.total,
        stored,
    }))
}

impl Report for Figures {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Stored { local, local_thumbnails, remote, remote_thumbnails, previews } = &self.stored;
        let row = |what: &str, files: &Files| {
            vec![what.to_owned(), files.count.to_string(), amount(files.bytes)]
        };
        let rows = vec![
            row("uploads", local),
            row("thumbnails of uploads", local_thumbnails),
            row("of other servers", remote),
            row("thumbnails of these", remote_thumbnails),
            row("previews of links", previews),
        ];
        output::table(page, &["MEDIA", "FILES", "SIZE"], rows)?;
        if let Some(left) = self.left {
            writeln!(page, "left on the disk: {}", amount(left))?;
        }
        if let Some(bucket) = &self.bucket {
            writeln!(page, "uploads and their thumbnails are also in the bucket {bucket}")?;
        }
        if self.users.is_empty() {
            return Ok(());
        }
        page.push('\n');
        let row = |usage: &Usage| {
            let Usage { user_id, media_count, media_length, .. } = usage;
            vec![user_id.to_string(), media_count.to_string(), amount(*media_length)]
        };
        output::table(page, &["USER", "FILES", "SIZE"], self.users.iter().map(row).collect())
    }

    fn id(&self) -> Option<&str> {
        Some("")
    }
}
