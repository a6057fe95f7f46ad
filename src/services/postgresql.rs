//! Our own PostgreSQL, in the foreground.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use super::POSTGRES;
use crate::{
    config::Config,
    postgres::{Error, embedded},
    supervisor::service::{Launch, Live, Probe, Service, Signal},
};

/// The line of `postmaster.pid` that says how the server is (`LOCK_FILE_LINE_PM_STATUS` in
/// PostgreSQL's `pidfile.h`); `pg_ctl` waits for it as well.
const STATUS_LINE: usize = 8;

pub(super) async fn service(config: &Config) -> Result<Service, Error> {
    let data = &config.data;
    let run = embedded::launch(config).await?;
    // `unshare … -- postgres -D …`: what stands before the dashes changes who the process is.
    let mut words: Vec<OsString> = vec![run.program.into()];
    words.extend(run.args.into_iter().map(OsString::from));
    let wrapper_end = words.iter().position(|word| word == "--").map_or(0, |dashes| dashes + 1);
    let mut rest = words.split_off(wrapper_end).into_iter();
    let program = rest.next().ok_or(Error::NoBinaries)?;
    let mut launch = Launch::new(program, data.root()).args(rest);
    launch.wrapper = words;
    launch.environment.extend(run.env.into_iter().map(|(name, value)| (name, value.into())));
    let mut ready = run.ready.into_iter();
    let ask = Launch::new(ready.next().ok_or(Error::NoBinaries)?, data.root()).args(ready);
    let status = embedded::cluster(data).join("postmaster.pid");
    Ok(Service {
        launch,
        ready: vec![
            Probe::Line { path: status, number: STATUS_LINE, reads: "ready".to_owned() },
            // The line may still be that of a predecessor that was killed.
            Probe::Exec(ask.clone()),
        ],
        live: vec![Live {
            probe: Probe::Exec(ask),
            interval: config.supervision.probe_interval.0,
            restart_after: None,
        }],
        ..outline(config)
    })
}

/// All but how it is started and asked.
pub(super) fn outline(config: &Config) -> Service {
    let port = config.database.embedded_port;
    Service {
        name: POSTGRES.to_owned(),
        summary: "PostgreSQL".to_owned(),
        tags: vec!["database".to_owned()],
        needs: Vec::new(),
        launch: Launch::default(),
        revision: String::new(),
        reload: None,
        ready: Vec::new(),
        live: Vec::new(),
        restart: super::restart(config),
        // SIGTERM would wait for its clients to leave.
        stop: vec![
            (Signal::INT, config.supervision.stop_timeout.0),
            (Signal::QUIT, Duration::from_secs(5)),
        ],
        endpoints: BTreeMap::from([(
            "postgresql".to_owned(),
            format!("postgresql://127.0.0.1:{port}/{}", config.database.name),
        )]),
        starter: None,
    }
}
