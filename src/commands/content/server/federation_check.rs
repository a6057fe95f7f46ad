//! `content federation-check`.

use std::{
    fmt::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use ruma::OwnedServerName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{Answered, Reply},
    config::Config,
    context::Context,
    error::Failure,
    federation::{self, Own, OwnCa, Policy, Step, Verdict, View},
    files,
    matrix::{self, admin::federation as admin},
    output::Report,
    reply::Outcome,
    tls::roots,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The other server, such as example.org; without it, this one as others see it
    pub(crate) server: Option<String>,
    /// Have our server try the other one again at once, where it waits after failures
    #[arg(long, requires = "server")]
    pub(crate) reset: bool,
    /// Wait this many seconds for each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Checked {
    pub(crate) server: String,
    /// Whether no step is bad.
    pub(crate) federates: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Checked> {
    let config = context.config()?;
    let own = &config.server.name.0;
    let server = match &args.server {
        Some(name) => OwnedServerName::try_from(name.as_str()).map_err(|_| {
            Failure::request(format!("`{name}` is no server name"))
                .hinted("name a host such as `example.org` or `example.org:8448`")
        })?,
        None => own.clone(),
    };
    let view = view(config, server == *own, Duration::from_secs(args.timeout))?;
    let mut steps = federation::walk(&server, &view).await;
    if server != *own {
        steps.push(back_off(&server, &args, context).await?);
    }
    let federates = steps.iter().all(|step| step.verdict != Verdict::Bad);
    let answer = Checked { server: server.into(), federates, total: steps.len(), steps };
    let outcome = if federates { Outcome::Done } else { Outcome::Unwell };
    Ok(Reply { outcome, answer })
}

/// Our eyes: those of our Synapse, with its list of CAs, servers and addresses.
fn view(config: &Config, is_own: bool, timeout: Duration) -> Result<View, Failure> {
    let yaml = files::read_if_exists(&config.data.homeserver_yaml())?.unwrap_or_default();
    let port = config.proxy.federation_port.0;
    let own = if is_own {
        let ca = roots::own(config)?.map(|(file, roots)| OwnCa { file, roots });
        Some(Own { ca, fallback: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) })
    } else {
        None
    };
    Ok(View {
        policy: Policy::read(&yaml),
        roots: roots::of_federation(config)?,
        own,
        timeout,
        now: clock::now(),
    })
}

/// Whether our server waits before it tries that one again; with `--reset` it does not any more.
async fn back_off(
    server: &OwnedServerName,
    args: &Args,
    context: &Context,
) -> Result<Step, Failure> {
    const STEP: &str = "back-off";
    let destination = server.to_string();
    let unknown = |why: String| Step::doubtful(STEP, why, "`status` shows how our server is");
    let operator = match context.operator(Duration::from_secs(args.timeout)) {
        Ok(operator) => operator,
        Err(failure) if args.reset => return Err(failure),
        Err(failure) => return Ok(unknown(failure.to_string())),
    };
    let request = admin::get::Request { destination: destination.clone().into() };
    let known = match operator.send(request).await {
        Ok(known) => known,
        Err(error) if error.is_not_found() => {
            return Ok(Step::good(STEP, "our server has had nothing to do with it yet"));
        }
        Err(error @ (matrix::Error::Unreachable { .. } | matrix::Error::Down { .. }))
            if !args.reset =>
        {
            return Ok(unknown(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    if known.retry_interval == 0 {
        return Ok(Step::good(STEP, "our server does not wait before it speaks to it"));
    }
    let since = known
        .failure_ts
        .map_or_else(String::new, |at| format!("; it has failed since {}", clock::of_ms(at)));
    let until = clock::of_ms(known.retry_last_ts.saturating_add(known.retry_interval));
    if args.reset && !context.dry_run {
        operator.send(admin::reset_connection::Request { destination: destination.into() }).await?;
        return Ok(Step::good(
            STEP,
            format!("our server waited until {until}{since}; now it tries again"),
        ));
    }
    Ok(Step::bad(
        STEP,
        format!("our server does not speak to it until {until}{since}"),
        format!("`content federation-check {server} --reset` has it try at once"),
    ))
}

impl Report for Checked {
    fn text(&self, page: &mut String) -> fmt::Result {
        let width = self.steps.iter().map(|step| step.step.len()).max().unwrap_or_default();
        for Step { step, verdict, finding, advice } in &self.steps {
            let word = match verdict {
                Verdict::Good => "good",
                Verdict::Doubtful => "doubtful",
                Verdict::Bad => "bad",
            };
            writeln!(page, "{step:width$}  {word:8}  {finding}")?;
            if let Some(advice) = advice.as_ref().filter(|_| *verdict != Verdict::Good) {
                writeln!(page, "{:width$}  {:8}  to do: {advice}", "", "")?;
            }
        }
        let word = if self.federates { "works" } else { "does not work" };
        writeln!(page, "\nfederation with {} {word}", self.server)
    }

    fn id(&self) -> Option<&str> {
        Some("")
    }
}
