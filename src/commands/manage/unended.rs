//! What a signal may end half-way, and a run of the same command finishes.

use crate::{
    commands::Answered,
    error::Failure,
    process::Ending,
    reply::{Interrupted, Stop},
};

/// Does the work, unless a signal ends it: then what had not been done is `said`, and the hint names what to type. What
/// runs for us, such as pip, ends with what waits for it.
pub(super) async fn unended<T>(
    work: impl Future<Output = Answered<T>>,
    said: &str,
    hint: &str,
) -> Answered<T> {
    let mut signals = Ending::new()?;
    tokio::select! {
        done = work => done,
        signal = signals.next() => {
            let said = said.to_owned();
            Err(Stop::from(Failure::from(Interrupted { signal, said }).hinted(hint)))
        }
    }
}
