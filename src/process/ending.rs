//! The signals with which a person or a service manager ends us, for what should not end in the middle.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Error;

/// Once there is one of these, the signals no longer end the process by themselves.
pub(crate) struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    pub(crate) fn new() -> Result<Self, Error> {
        let of = |kind| signal(kind).map_err(Error::Signals);
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}
