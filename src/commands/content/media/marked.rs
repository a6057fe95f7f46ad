//! Files that are hidden, shown or protected: what the verbs for one of them have in common.

use schemars::JsonSchema;
use serde::Serialize;

use super::mxc::Mxc;
use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::admin::media,
    output::Sentence,
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
pub(crate) struct Marked {
    pub(crate) url: String,
    /// False where it was so before.
    pub(crate) changed: bool,
    #[serde(skip)]
    act: Act,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Show,
    Protect,
    Unprotect,
}

pub(super) async fn set(args: Args, context: &Context, act: Act) -> Answered<Marked> {
    let Args { file, patience } = args;
    let operator = patience.operator(context)?;
    if !matches!(act, Act::Show) {
        file.require_own(operator.server_name())?;
    }
    let info = file.info(&operator).await?;
    let is_safe = info.safe_from_quarantine == Some(true);
    let changed = match act {
        Act::Show => info.quarantined_by.is_some(),
        Act::Protect => !is_safe,
        Act::Unprotect => is_safe,
    };
    if changed {
        let media_id = file.id.clone().into();
        match act {
            Act::Show => {
                context.would(format_args!("let everybody see {file} again"))?;
                let server_name = file.server.clone().into();
                operator.send(media::unquarantine::Request { server_name, media_id }).await?;
            }
            Act::Protect => {
                context.would(format_args!("keep {file} from being quarantined"))?;
                operator.send(media::protect::Request { media_id }).await?;
            }
            Act::Unprotect => {
                context.would(format_args!("let {file} be quarantined"))?;
                operator.send(media::unprotect::Request { media_id }).await?;
            }
        }
    }
    Ok(Reply::done_if(changed, Marked { url: file.to_string(), changed, act }))
}

impl Sentence for Marked {
    fn sentence(&self) -> String {
        let is = match (self.act, self.changed) {
            (Act::Show, true) => "can be seen again",
            (Act::Show, false) => "is not quarantined",
            (Act::Protect, true) => "cannot be quarantined any more",
            (Act::Protect, false) => "is already protected",
            (Act::Unprotect, true) => "can be quarantined again",
            (Act::Unprotect, false) => "is not protected",
        };
        format!("{} {is}", self.url)
    }

    fn id(&self) -> &str {
        &self.url
    }
}
