//! `content get-media`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::mxc::Mxc;
use crate::{
    clock,
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::admin::media::get::Info,
    output::{self, Report, amount},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The address of the file
    #[arg(value_name = "MXC")]
    pub(crate) file: Mxc,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct File {
    pub(crate) url: String,
    #[serde(flatten)]
    pub(crate) info: Info,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<File> {
    let operator = args.patience.operator(context)?;
    let info = args.file.info(&operator).await?;
    Ok(Reply::done(File { url: args.file.to_string(), info }))
}

impl Report for File {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Info { user_id, media_type, media_length, upload_name, .. } = &self.info;
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let time = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), clock::of_ms);
        let is_safe = self.info.safe_from_quarantine == Some(true);
        let rows = [
            ("File", self.url.clone()),
            ("Name", text(upload_name)),
            ("Type", text(media_type)),
            ("Size", media_length.map_or_else(|| "-".to_owned(), amount)),
            ("Uploaded by", text(user_id)),
            ("Uploaded", time(Some(self.info.created_ts))),
            ("Last seen", time(self.info.last_access_ts)),
            ("Quarantined by", text(&self.info.quarantined_by)),
            ("Protected", (if is_safe { "yes" } else { "no" }).to_owned()),
        ];
        output::fields(page, &rows)
    }

    fn id(&self) -> Option<&str> {
        Some(&self.url)
    }
}
