//! `manage events`: what happened to the services, one line each.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Reply,
        arguments::ServicesArg,
        reply::{Live, Stream},
    },
    context::Context,
    instance::{lifecycle::select, status},
    output::Report,
    reply::{Outcome, Stop},
    supervisor::{control::Events, events::ServiceEvent},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: ServicesArg,
    /// Go on with what happens from now on, one line each
    #[arg(long, short)]
    follow: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct List {
    events: Vec<Shown>,
    total: usize,
    /// What happened is known to the supervisor, as long as it lives.
    running: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Shown(ServiceEvent);

/// Exit 2 where no supervisor runs.
pub(crate) async fn run(args: Args, context: &Context) -> Result<Live<List, Shown>, Stop> {
    let socket = context.data()?.control_socket();
    let absent = || {
        let answer = List { events: Vec::new(), total: 0, running: false };
        Live::Reply(Reply::done_if(false, answer))
    };
    let Some(now) = context.supervisor().await? else { return Ok(absent()) };
    let names = select::resolve(&args.services.services, &select::running(&now))?;
    let wanted = move |it: &ServiceEvent| names.is_empty() || names.contains(&it.service);
    let Some(mut events) = Events::open(&socket, 0).await? else { return Ok(absent()) };
    if args.follow {
        return Ok(Live::Stream(Stream::new(async move |_, lines| {
            while let Some(next) = lines.while_read(events.next()).await {
                let Some(happening) = next? else { break };
                if wanted(&happening) && !lines.emit(&Shown::of(happening))? {
                    break;
                }
            }
            Ok(Outcome::Done)
        })));
    }
    let mut list = Vec::new();
    // All that is known comes at once; the number says when that is over.
    while list.last().is_none_or(|it: &ServiceEvent| it.number < now.events) && now.events > 0 {
        let Some(happening) = events.next().await? else { break };
        list.push(happening);
    }
    let events: Vec<Shown> = list.into_iter().filter(|it| wanted(it)).map(Shown::of).collect();
    Ok(Live::Reply(Reply::done(List { total: events.len(), events, running: true })))
}

impl Shown {
    /// With milliseconds, as `logs` has them: the two are read side by side.
    fn of(mut event: ServiceEvent) -> Self {
        if let Ok(at) = event.at.parse::<Timestamp>() {
            event.at = format!("{at:.3}");
        }
        Self(event)
    }
}

impl Report for List {
    fn text(&self, page: &mut String) -> fmt::Result {
        if !self.running {
            return page.write_str("not running; `logs` shows what was written before");
        }
        self.events.iter().try_for_each(|event| {
            event.text(page)?;
            page.push('\n');
            Ok(())
        })
    }
}

impl Report for Shown {
    fn text(&self, page: &mut String) -> fmt::Result {
        let ServiceEvent { at, service, state, healthy, message, .. } = &self.0;
        write!(page, "{at} {service:<10} {}", status::word(*state))?;
        if *healthy == Some(false) {
            write!(page, ", not well")?;
        }
        message.as_ref().map_or(Ok(()), |why| write!(page, ": {why}"))
    }
}
