//! What the processes read, as it would be written: judged by those who read it.

use super::{Check, Flow, Look};
use crate::render;

/// A start of what does not run writes what was found good, and so does an install.
const FLOWS: &[Flow] = &[Flow::Restart, Flow::Change, Flow::Scale, Flow::ConfigCheck];

pub(crate) static BRIDGES: Check = Check {
    name: "bridge-registrations",
    about: "the installed Synapse can read all registrations of bridges",
    remedy: "`content list-bridges` shows what is wrong with each",
    flows: FLOWS,
    look: Look::Asks(|subject| {
        Box::pin(async {
            if render::can_judge(subject.config) {
                render::bridges_are_read(subject.config).await?;
            }
            Ok(Vec::new())
        })
    }),
};

pub(crate) static FILES: Check = Check {
    name: "rendered-files",
    about: "the installed Synapse and nginx take the files that the settings make",
    remedy: "`config show` says what is set",
    flows: FLOWS,
    look: Look::Asks(|subject| {
        Box::pin(async {
            if render::can_judge(subject.config) {
                return render::check(subject.config).await;
            }
            Ok(Vec::new())
        })
    }),
};
