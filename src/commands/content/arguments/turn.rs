//! Of several commands on this machine that would make the same thing, one makes it and the others find it.

use std::time::Duration;

use tokio::time::Instant;

use crate::{context::Context, process::Lock};

/// Waits until nobody else makes the thing of this name. Without the lock it is only less tidy: the server
/// has the last word. `what` names the files, `purpose` is what others are told that wait. A dry run makes
/// nothing, and waits for nobody.
pub(crate) async fn turn(
    context: &Context,
    what: &str,
    name: &str,
    purpose: &str,
    timeout: Duration,
) -> Option<Lock> {
    if context.dry_run {
        return None;
    }
    let run = context.data().ok()?.run();
    let mut shown = None;
    let mut wait = |who: &str| shown = Some(context.talk.waiting(format!("waiting for {who}")));
    Lock::of_name(&run, what, name, purpose, Instant::now() + timeout, &mut wait).await
}
