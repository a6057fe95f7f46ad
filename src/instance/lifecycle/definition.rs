//! Keeps a supervisor that runs up with the services that the settings ask for.

use std::{borrow::Cow, net::SocketAddr, path::Path};

use tokio::time::Instant;

use crate::{
    checks::{self, Flow, folder},
    config::{Config, values::shape::Port},
    error::Failure,
    instance::{homeserver::Homeserver, prepare::applied},
    proxy, render, services,
    supervisor::{
        control::{self, Request, Stream},
        record::Snapshot,
        service::Service,
    },
};

/// What a running supervisor has to be told first; nothing where it keeps what the settings ask for. All
/// that a restart would refuse is refused here too, while what runs goes on as it was. Of our own services
/// only those `named` are restarted.
pub(crate) async fn request(
    homeserver: &mut Homeserver<'_>,
    now: &Snapshot,
    named: &[String],
    force: bool,
    deadline: Instant,
    on_warning: &mut dyn FnMut(&str),
) -> Result<Option<Request>, Failure> {
    let config = homeserver.config;
    let profile = config.profile.name.clone();
    let other = now.profile != profile;
    if other
        || differ(config, now, &homeserver.services, named)
        || !applied::changed(config, now)?.is_empty()
    {
        let subject = homeserver.subject(Flow::Change, deadline);
        let mut subject = subject.without(&folder::SPACE, force);
        subject.running = Some(now);
        checks::pass(&subject, on_warning).await?;
    }
    let for_proxy = as_proxied(config, now, named);
    if render::refresh_proxy(&for_proxy).await? {
        homeserver.renew()?;
    }
    if !other && !differ(config, now, &homeserver.services, named) {
        return Ok(None);
    }
    // Their files are in place before anything reads them. A Synapse that goes on as it was keeps its own:
    // if it died, it would come back with the new ones, where nobody looks for it.
    let kept = if !other && keeps_synapse(now, &homeserver.services, named) {
        Some(render::judged(config).await?)
    } else {
        render::refresh(&for_proxy).await?;
        None
    };
    let mut services = services::all(config).await?;
    if let Some(wanted) = kept {
        // As the settings have them, they are others than those that run.
        for service in services.iter_mut().filter(|service| services::is_of_homeserver(service)) {
            let mut workers = wanted.workers.iter().map(|file| file.worker);
            let worker = workers.find(|worker| worker.name() == service.name);
            service.revision = render::revision_of(config, &wanted, worker);
        }
    }
    Ok(Some(if other {
        Request::Replace { profile, services }
    } else {
        // The operator's own are what their settings say.
        let mut restarts: Vec<String> = config.custom.iter().map(|it| it.name.clone()).collect();
        restarts.extend_from_slice(named);
        Request::Define { services, restarts }
    }))
}

/// The settings as the proxy is to read them: webhooks and chat go on being taken where they are, unless what
/// takes them is restarted.
fn as_proxied<'a>(config: &'a Config, now: &Snapshot, named: &[String]) -> Cow<'a, Config> {
    let elsewhere = |service: &str, url: Option<String>, wanted: String| {
        let stays = now.profile == config.profile.name && !named.iter().any(|name| name == service);
        let url = url.filter(|url| stays && *url != wanted)?;
        url.strip_prefix("http://")?.parse::<SocketAddr>().ok()
    };
    let hooks = elsewhere(services::HOOKS, services::takes_hooks(now), config.hooks_url());
    let relay = elsewhere(services::RELAY, services::takes_chat(now), config.relay_url());
    if hooks.or(relay).is_none() {
        return Cow::Borrowed(config);
    }
    let mut config = config.clone();
    if let Some(at) = hooks {
        (config.hooks.address, config.hooks.port) = (at.ip(), Port(at.port()));
    }
    if let Some(at) = relay {
        (config.relay.address, config.relay.port) = (at.ip(), Port(at.port()));
    }
    Cow::Owned(config)
}

/// Whether Synapse runs, and no process of it is new or restarted.
fn keeps_synapse(now: &Snapshot, services: &[Service], named: &[String]) -> bool {
    let mut of_synapse = services.iter().filter(|service| services::is_of_homeserver(service));
    services::pid(now).is_some()
        && of_synapse.all(|it| now.services.contains_key(&it.name) && !named.contains(&it.name))
}

/// Tells it, and waits until a proxy that reads its settings again serves by them; what runs then, or
/// nothing where no supervisor answers.
pub(crate) async fn tell(
    socket: &Path,
    before: &Snapshot,
    define: &Request,
) -> Result<Option<Snapshot>, control::Error> {
    let proxy = |now: &Snapshot| {
        let report = now.services.get(services::PROXY)?;
        Some((report.pid?, report.revision.clone()))
    };
    let served = proxy(before).map(|(pid, _)| proxy::serving(pid)).unwrap_or_default();
    let Some(mut stream) = Stream::open(socket, define).await? else { return Ok(None) };
    let after = stream.next().await?;
    let reads_again = |after: &Snapshot| match (proxy(before), proxy(after)) {
        (Some((old, was)), Some((new, is))) => old == new && was != is,
        _ => false,
    };
    if after.as_ref().is_some_and(reads_again) {
        proxy::taken_up(&served).await;
    }
    Ok(after)
}

/// Whether all that runs is as this has it.
pub(super) fn is_taken_up(define: &Request, now: &Snapshot) -> bool {
    let (Request::Define { services, .. } | Request::Replace { services, .. }) = define else {
        return false;
    };
    services.iter().all(|service| {
        now.services.get(&service.name).is_none_or(|report| report.revision == service.revision)
    })
}

/// A service of ours reads its files when it is started, and is not restarted unasked: only one that
/// reads them again without ending does so. The operator's own are what their settings say. A part of this
/// program that is `named` is restarted as the settings have it.
fn differ(config: &Config, now: &Snapshot, services: &[Service], named: &[String]) -> bool {
    let is_custom = |name: &str| config.custom.iter().any(|custom| custom.name == name);
    let gone = |name: &String| !services.iter().any(|service| service.name == *name);
    let changed = |service: &Service| match now.services.get(&service.name) {
        Some(report) => {
            // Nobody misses one that only starts others.
            let may_change = is_custom(&service.name)
                || service.reload.is_some()
                || service.starter.is_some()
                || (services::is_own(service) && named.contains(&service.name));
            may_change && report.revision != service.revision
        }
        // That is not shown where nothing is to be started.
        None => service.starter.is_none(),
    };
    now.order.iter().any(gone) || services.iter().any(changed)
}
