//! Whether somebody is there: what asking for it and setting it have in common.

use crate::{
    context::Context,
    error::{Failure, Kind},
};

/// Where the server keeps no presence it says `offline` of everybody, and takes what is set without a word.
pub(super) fn require_on(context: &Context) -> Result<(), Failure> {
    if context.config()?.synapse.presence {
        return Ok(());
    }
    let failure = Failure::request("presence is switched off on this server");
    Err(Failure { kind: Kind::Setting, ..failure }
        .hinted("`config set synapse.presence true` and `manage restart` switch it on"))
}
