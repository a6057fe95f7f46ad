//! Who may read what is sent.

use crate::matrix::client::Client;

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct VerifiedArg {
    /// Send it only where everybody in the room is verified, and only to devices that are
    #[arg(long, conflicts_with = "queue")]
    only_verified: bool,
}

impl VerifiedArg {
    /// Whoever sends it, to them alone.
    pub(crate) fn of(self, client: Client) -> Client {
        client.verified_only(self.only_verified)
    }

    /// What was typed.
    pub(crate) fn words(self) -> &'static str {
        if self.only_verified { " --only-verified" } else { "" }
    }
}
