//! `content`: addresses through which other programs speak in a room.

use crate::{
    commands::table::commands,
    config::{Config, sections::stack::Part},
    context::Context,
    error::Failure,
    instance::lifecycle::hooks::Here,
    services::may_be_proxied,
};

pub(in crate::commands::content) mod list;
pub(in crate::commands::content) mod remove;
mod try_out;

commands! {
    "Webhooks";
    "list-hooks" => list, "List webhooks with their waiting and rejected messages";
    "try-hook" => try_out, "Show what a webhook would make of a body";
    "remove-hook" => remove, "Remove a webhook";
}

/// Whether webhooks come through the proxy now. Where one is only set, it is said when they will.
pub(in crate::commands::content) async fn are_proxied(
    context: &Context,
    config: &Config,
    here: &Here,
) -> Result<bool, Failure> {
    let proxied = may_be_proxied(context.supervisor().await?.as_ref());
    if !proxied && config.has(Part::Proxy) {
        context.warn(format!(
            "webhooks are taken at {} until `manage restart`, and through the proxy, at {}, from then on",
            here.url,
            config.public_url()
        ));
    }
    Ok(proxied)
}
