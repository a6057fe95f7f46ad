//! `manage endpoint`: where a service can be reached.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, offered},
    config::nearest,
    context::Context,
    error::Failure,
    instance::{guard, lifecycle::select},
    output::Report,
    services,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service, such as synapse
    #[arg(add = offered::services())]
    service: String,
    /// Which of its addresses, such as client; it may be left out where there is only one
    #[arg(add = offered::endpoints())]
    name: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Endpoint {
    service: String,
    name: String,
    url: String,
    /// Whether the service runs and is ready.
    ready: bool,
}

/// Exit 2 for a service that does not run.
pub(crate) async fn run(args: Args, context: &Context) -> Answered<Endpoint> {
    let running = context.supervisor().await?;
    if running.is_none() {
        guard::installed(&context.data()?)?;
    }
    let config = context.config()?;
    let services = services::all(config).await?;
    let (there, listed) = match &running {
        Some(now) => (select::running(now), false),
        None => (select::listed(&services), true),
    };
    let found = select::resolve(std::slice::from_ref(&args.service), &there);
    let found = found.map_err(|unknown| {
        let failure = Failure::from(unknown);
        let (wanted, is_wanted) =
            (&config.profile.name, services.iter().any(|it| it.name == args.service));
        match &running {
            Some(now) if is_wanted && now.profile != *wanted => failure.hinted(format!(
                "the profile `{}` runs, which has none; `manage restart` starts what `{wanted}` has",
                now.profile
            )),
            _ => failure,
        }
    })?;
    let service = found.into_iter().next().unwrap_or(args.service);
    let report = running.as_ref().and_then(|now| now.services.get(&service));
    let ready = report.is_some_and(|report| report.state.is_ready());
    let defined = services.iter().find(|it| listed && it.name == service);
    let none = BTreeMap::new();
    let endpoints = report
        .map(|report| &report.endpoints)
        .or_else(|| defined.map(|it| &it.endpoints))
        .unwrap_or(&none);
    let (name, url) = chosen(&service, endpoints, args.name.as_deref())?;
    Ok(Reply::done_if(ready, Endpoint { service, name, url, ready }))
}

/// The address of that name, or the only one.
fn chosen(
    service: &str,
    endpoints: &BTreeMap<String, String>,
    name: Option<&str>,
) -> Result<(String, String), Failure> {
    let names = || endpoints.keys().map(String::as_str);
    let found = match name {
        Some(name) => endpoints.get_key_value(name),
        None if endpoints.len() == 1 => endpoints.first_key_value(),
        // What clients use comes first.
        None => endpoints.get_key_value("client"),
    };
    if let Some((name, url)) = found {
        return Ok((name.clone(), url.clone()));
    }
    if endpoints.is_empty() {
        return Err(Failure::request(format!("the service `{service}` has no address")));
    }
    let all = names().collect::<Vec<_>>().join(", ");
    let (what, hint) = match name {
        Some(name) => (
            format!("the service `{service}` has no address `{name}`"),
            nearest(name, names()).map(|it| format!("did you mean `{it}`?")),
        ),
        None => (format!("the service `{service}` has several addresses"), None),
    };
    Err(Failure::request(what).hinted(hint.unwrap_or_else(|| format!("its addresses are {all}"))))
}

impl Report for Endpoint {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.push_str(&self.url);
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        Some(&self.url)
    }
}
