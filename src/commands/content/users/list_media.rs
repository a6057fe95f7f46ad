//! `content list-user-media`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg, user::find},
    },
    context::Context,
    matrix::admin::users::media,
    output::{Report, amount, table},
    reply::Stop,
};

const PAGE: u32 = 500;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Media {
    user_id: String,
    media: Vec<File>,
    total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct File {
    media_id: String,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// How large it is, in bytes.
    size_bytes: u64,
    /// In milliseconds since 1970.
    created_ms: u64,
    /// When somebody last looked at it, in milliseconds since 1970.
    last_access_ms: Option<u64>,
    /// Who keeps others from seeing it.
    quarantined_by: Option<String>,
    /// Whether it cannot be quarantined.
    protected: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Media> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    if find(&operator, &user_id).await?.is_none() {
        return Err(Stop::absent("user", "user_id", user_id));
    }
    let (mut media, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let request = media::Request { user_id: user_id.clone().into(), from: at, limit: PAGE };
        let page = operator.send(request).await?;
        media.extend(page.media.into_iter().map(File::from));
        from = page.next_token.filter(|next| *next > at);
    }
    Ok(Reply::done(Media { user_id: user_id.into(), total: media.len(), media }))
}

impl From<media::File> for File {
    fn from(file: media::File) -> Self {
        Self {
            media_id: file.media_id,
            name: file.upload_name,
            kind: file.media_type,
            size_bytes: file.media_length.unwrap_or_default(),
            created_ms: file.created_ts,
            last_access_ms: file.last_access_ts.filter(|at| *at > 0),
            quarantined_by: file.quarantined_by,
            protected: file.safe_from_quarantine,
        }
    }
}

impl Media {
    fn table(&self, page: &mut String, columns: usize) -> fmt::Result {
        let heading = ["MEDIA", "NAME", "SIZE", "TYPE", "CREATED", "LAST SEEN", "QUARANTINED BY"];
        let row = |file: &File| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let mut row = vec![
                file.media_id.clone(),
                text(&file.name),
                amount(file.size_bytes),
                text(&file.kind),
                clock::of_ms(file.created_ms),
                file.last_access_ms.map_or_else(|| "never".into(), clock::of_ms),
                text(&file.quarantined_by),
            ];
            row.truncate(columns);
            row
        };
        table(page, &heading[..columns], self.media.iter().map(row).collect())
    }
}

impl Report for Media {
    fn text(&self, page: &mut String) -> fmt::Result {
        self.table(page, 5)
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.table(page, 7)
    }

    fn ids(&self) -> Option<String> {
        Some(self.media.iter().map(|file| file.media_id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
