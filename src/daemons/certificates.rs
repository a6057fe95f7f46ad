//! Looks at the certificate while it is in use: files that changed are checked and then read again by
//! the proxy, which loses no connection over it; our own is renewed long before it expires. What is not
//! good is not read, and the log says so.

use std::{fs, os::unix::fs::MetadataExt as _, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    clock,
    config::Config,
    error::{Explain, Failure},
    supervisor::control::{Request, Stream},
    tls::{self, Pair},
};

/// Between two looks at whether the files are others: a call each.
const LOOK: Duration = Duration::from_secs(10);
/// Between two looks at how long they are good for.
const CHECK: Duration = Duration::from_hours(6);

/// Goes on until it is ended.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let Some(pair) = tls::pair(config)? else {
        return Err(Failure::request("there is no certificate to look after"));
    };
    let mut served = prints(&pair);
    let mut checked: Option<Instant> = None;
    let mut complaint = String::new();
    loop {
        let due = checked.is_none_or(|at| at.elapsed() >= CHECK);
        if due || prints(&pair) != served {
            match look(config, &pair, &mut served).await {
                Ok(warnings) => {
                    complaint.clear();
                    checked = Some(Instant::now());
                    for warning in warnings {
                        tracing::warn!("{warning}");
                    }
                }
                // Files that are being replaced do not fit together for a moment.
                Err(why) if why != complaint => {
                    tracing::warn!("{why}; the proxy goes on with what it has");
                    complaint = why;
                }
                Err(_) => {}
            }
        }
        sleep(LOOK).await;
    }
}

/// Checks or renews the certificate, and has the proxy read it if it is another one.
async fn look(
    config: &Config,
    pair: &Pair,
    served: &mut [Option<Print>; 2],
) -> Result<Vec<String>, String> {
    let ready = tls::ensure(config, clock::now()).map_err(|error| said(&error))?;
    let now = prints(pair);
    if now != *served {
        let request = Request::Reload { service: "proxy".to_owned() };
        let socket = config.data.control_socket();
        let stream = Stream::open(&socket, &request).await.map_err(|error| said(&error))?;
        let mut stream = stream.ok_or("the supervisor does not answer")?;
        stream.next().await.map_err(|error| said(&error))?;
        tracing::info!("the proxy reads its certificate again");
        *served = now;
    }
    Ok(ready.map(|ready| ready.warnings).unwrap_or_default())
}

fn said(error: &impl Explain) -> String {
    match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

/// What tells one content of a file from the next: when it was written, its number and its size.
type Print = (i64, i64, u64, u64);

fn prints(pair: &Pair) -> [Option<Print>; 2] {
    [&pair.certificate, &pair.key].map(|file| {
        let it = fs::metadata(file).ok()?;
        Some((it.mtime(), it.mtime_nsec(), it.ino(), it.size()))
    })
}
