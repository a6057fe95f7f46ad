//! `content remove-media`.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use super::{mxc::Mxc, since::before};
use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    config::values::shape::{Shape as _, Size, Span},
    context::Context,
    error::Failure,
    matrix::{Error, admin::media},
    output::{Report, amount},
};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["files", "older_than"]))]
pub(crate) struct Args {
    /// The addresses of the files
    #[arg(value_name = "MXC")]
    pub(crate) files: Vec<Mxc>,
    /// All files of this server that nobody has looked at for so long, such as 90d; avatars stay
    #[arg(long, value_name = "SPAN", conflicts_with = "files")]
    pub(crate) older_than: Option<Span>,
    /// Only those of them that are larger, such as 10M
    #[arg(long, value_name = "SIZE", requires = "older_than", value_parser = size)]
    pub(crate) larger_than: Option<Size>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

fn size(text: &str) -> Result<Size, String> {
    Size::read(&text.into())
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    /// Those that were deleted.
    pub(crate) urls: Vec<String>,
    pub(crate) total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let operator = args.patience.operator(context)?;
    let server = operator.server_name().to_owned();
    for file in &args.files {
        file.require_own(&server)?;
    }
    let mut urls = Vec::new();
    if let Some(span) = args.older_than {
        let size_gt = args.larger_than.map_or(0, |size| size.0);
        let larger = if size_gt > 0 {
            format!(" and are larger than {}", amount(size_gt))
        } else {
            String::new()
        };
        context
            .would(format_args!("delete all files that nobody has looked at for {span}{larger}"))?;
        let request = media::delete_old::Request { before_ts: before(span)?, size_gt };
        let ids = operator.send(request).await?.deleted_media;
        urls.extend(ids.into_iter().map(|id| format!("mxc://{server}/{id}")));
    } else {
        let names: Vec<_> = args.files.iter().map(Mxc::to_string).collect();
        context.would(format_args!("delete {}", names.join(", ")))?;
        for file in &args.files {
            let request = media::delete::Request {
                server_name: file.server.clone().into(),
                media_id: file.id.clone().into(),
            };
            match operator.send(request).await {
                Ok(_) => urls.push(file.to_string()),
                Err(error @ Error::Refused { .. }) if error.is_not_found() => {
                    context.warn(format!("there is no file `{file}`"));
                }
                Err(error) => return Err(Failure::from(error).into()),
            }
        }
    }
    let total = urls.len();
    Ok(Reply::done_if(total > 0, Removed { urls, total }))
}

impl Report for Removed {
    fn text(&self, page: &mut String) -> fmt::Result {
        if self.urls.is_empty() {
            return page.write_str("there was nothing to delete");
        }
        self.urls.iter().try_for_each(|uri| writeln!(page, "deleted {uri}"))
    }

    fn ids(&self) -> Option<String> {
        Some(self.urls.join("\n"))
    }
}
