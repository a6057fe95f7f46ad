//! One service of ours that comes and goes with what it is there for, while all others run on.

use tokio::time::Instant;

use super::{definition, start};
use crate::{
    config::Config,
    error::Failure,
    instance::homeserver::Homeserver,
    supervisor::{control, kept::Kept},
};

/// Whether it runs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Now,
    /// It will when the homeserver is started.
    Later,
}

/// Has a homeserver that runs take up a service, and waits until that is ready.
pub(crate) async fn take_up(config: &Config, service: &str) -> Result<Taken, Failure> {
    if Kept::read(&config.data)?.is_some() {
        return Ok(Taken::Later);
    }
    // Only a start changes the profile of what runs.
    let same = |name: &str| name == config.profile.name;
    if !control::status(&config.data).await?.is_some_and(|now| same(&now.profile)) {
        return Ok(Taken::Later);
    }
    let options = start::Options {
        services: vec![service.to_owned()],
        // Little is written for it.
        ..start::Options::all(config.supervision.start_timeout.0, true)
    };
    start::start(config, options, &mut |_| ()).await?;
    Ok(Taken::Now)
}

/// Lets go of those that the settings no longer ask for.
pub(crate) async fn let_go(config: &Config) -> Result<(), Failure> {
    if Kept::read(&config.data)?.is_some() {
        return Ok(());
    }
    let socket = config.data.control_socket();
    let Some(now) = control::status(&config.data).await? else { return Ok(()) };
    if now.profile != config.profile.name {
        return Ok(());
    }
    let mut homeserver = Homeserver::of(config)?;
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    let define =
        definition::request(&mut homeserver, &now, &[], true, deadline, &mut |_| ()).await?;
    if let Some(define) = define {
        definition::tell(&socket, &now, &define).await?;
    }
    Ok(())
}
