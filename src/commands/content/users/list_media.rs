//! `content list-user-media`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        content::arguments::{Patience, UserArg, user::find},
        listing::{List, ListArgs, Listed, pages},
    },
    context::Context,
    matrix::admin::users::media,
    output::{Row, amount},
    reply::Stop,
};

const PAGE: u32 = 500;

/// The fields that Synapse sorts by.
const SORTED: &[(&str, &str, bool)] = &[
    ("media_id", "media_id", false),
    ("name", "upload_name", false),
    ("type", "media_type", false),
    ("size_bytes", "media_length", false),
    ("created_ms", "created_ts", false),
    ("last_access_ms", "last_access_ts", false),
    ("quarantined_by", "quarantined_by", false),
    ("protected", "safe_from_quarantine", false),
];

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) list: ListArgs<File>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Media {
    user_id: String,
}

impl Listed for Media {
    type Row = File;
    const KEY: &'static str = "media";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct File {
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

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Media>, Stop> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    if find(&operator, &user_id).await?.is_none() {
        return Err(Stop::absent("user", "user_id", user_id));
    }
    let mut list = args.list;
    let order = list.ordered(SORTED);
    let head = Media { user_id: user_id.to_string() };
    Ok(List::paged(list, head, async move |rows| {
        let limit = rows.at_most(PAGE);
        pages(rows, &operator, 0, async |operator, from| {
            let (user_id, order) = (user_id.clone().into(), order.clone());
            let request =
                media::Request { user_id, from, limit, order_by: order.by, dir: order.dir };
            let page = operator.send(request).await?;
            let found = page.media.into_iter().map(File::from).collect();
            Ok((found, page.next_token.filter(|next| *next > from)))
        })
        .await
    }))
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

impl Row for File {
    const HEADING: &'static [&'static str] =
        &["MEDIA", "NAME", "SIZE", "TYPE", "CREATED", "LAST SEEN", "QUARANTINED BY"];
    const FIRST: usize = 5;

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.media_id.clone(),
            text(&self.name),
            amount(self.size_bytes),
            text(&self.kind),
            clock::of_ms(self.created_ms),
            self.last_access_ms.map_or_else(|| "never".into(), clock::of_ms),
            text(&self.quarantined_by),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.media_id.as_str().into()
    }
}
