//! `content remove-bridge`.

use crate::commands::content::{answer::Answer, answer::only_planned, arguments::Patience};
use serde_json::json;

use crate::{
    bridges,
    commands::{Outcome, Result},
    context::Context,
    instance,
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bridge
    name: String,
    #[command(flatten)]
    patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let config = context.config()?;
    let name = &args.name;
    bridges::check_name(name)?;
    if bridges::of(&config.data, name).is_some()
        && only_planned(context, output, &format!("take the bridge {name} away"))
    {
        return Ok(Outcome::Done);
    }
    let timeout = args.patience.given().unwrap_or(config.supervision.start_timeout.0);
    let progress = output.progress(format!("taking the bridge {name} away"));
    let removed =
        instance::bridges::remove(config, name, timeout, &mut |step| progress.now(step)).await;
    drop(progress);
    let Some(removed) = removed? else {
        let text = format!("there is no bridge {name}");
        output.emit(&Answer::new(text, None, json!({ "bridge": name, "removed": false })));
        return Ok(Outcome::Moot);
    };
    let mut text = format!("took the bridge {name} away");
    if let Some(database) = &removed.dropped {
        text += &format!("\ndropped the database {database}");
    }
    if !removed.restarted.is_empty() {
        text += &format!("\nrestarted: {}", removed.restarted.join(", "));
    }
    let mut fields = json!(removed);
    fields["removed"] = true.into();
    output.emit(&Answer::new(text, Some(name), fields));
    Ok(Outcome::Done)
}
