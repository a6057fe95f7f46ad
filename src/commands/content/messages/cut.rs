//! What is said where a limit left something out.

use crate::context::Context;

/// Says how to see more.
pub(super) fn say(context: &Context, more: bool, limit: u32) {
    if more {
        let next = limit.saturating_mul(10);
        context.say(format_args!("only the latest {limit} shown: `--limit {next}` shows more"));
    }
}
