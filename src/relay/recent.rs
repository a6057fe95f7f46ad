//! How it went in the last minutes: whether what is said reaches the homeserver, and whether what it is told comes
//! back from there. What is wrong here makes the service unwell, so that `status` and alerts say it.

use std::{collections::VecDeque, time::Duration};

/// As far back as is looked.
const WINDOW: Duration = Duration::from_mins(5);
/// Tries are counted by so long.
const STEP: Duration = Duration::from_secs(10);
/// Of a hundred tries so many may fail.
const MAY_FAIL: u64 = 10;
/// So few that fail tell nothing.
const FEW: u64 = 5;
/// After so long without a failure it is over: between two tries are at most 30 seconds.
const OVER: Duration = Duration::from_secs(45);
/// How long what was told may take to come back.
const ECHO: Duration = Duration::from_mins(2);

#[derive(Debug, Default)]
struct Tries {
    step: u64,
    sent: u64,
    failed: u64,
}

/// Times are since the start of the relay.
#[derive(Debug, Default)]
pub(super) struct Recent {
    tries: VecDeque<Tries>,
    last_failed: Option<Duration>,
    /// Since when something was told of which nothing has come back.
    unheard: Option<Duration>,
}

impl Recent {
    fn at(&mut self, now: Duration) -> &mut Tries {
        let step = now.as_secs() / STEP.as_secs();
        let kept = WINDOW.as_secs() / STEP.as_secs();
        while self.tries.front().is_some_and(|tries| tries.step + kept <= step) {
            self.tries.pop_front();
        }
        if self.tries.back().is_none_or(|last| last.step < step) {
            self.tries.push_back(Tries { step, ..Tries::default() });
        }
        let last = self.tries.len() - 1;
        &mut self.tries[last]
    }

    /// The homeserver has taken it; `is_event` says whether it tells of it again.
    pub(super) fn sent(&mut self, now: Duration, is_event: bool) {
        self.at(now).sent += 1;
        if is_event {
            self.unheard.get_or_insert(now);
        }
    }

    pub(super) fn failed(&mut self, now: Duration) {
        self.at(now).failed += 1;
        self.last_failed = Some(now);
    }

    pub(super) fn received(&mut self) {
        self.unheard = None;
    }

    /// What is wrong.
    pub(super) fn trouble(&mut self, now: Duration) -> Option<String> {
        self.at(now);
        let failed: u64 = self.tries.iter().map(|tries| tries.failed).sum();
        let all: u64 = failed + self.tries.iter().map(|tries| tries.sent).sum::<u64>();
        let goes_on = self.last_failed.is_some_and(|last| now.saturating_sub(last) <= OVER);
        if goes_on && failed >= FEW && failed * 100 > all * MAY_FAIL {
            return Some(format!(
                "{failed} of {all} tries to tell the homeserver have failed within {} minutes; `logs relay` says why",
                WINDOW.as_secs() / 60
            ));
        }
        let silent = now.saturating_sub(self.unheard?);
        (silent > ECHO).then(|| {
            format!(
                "for {} s nothing has come from the homeserver, although it was told something; \
                `logs synapse` may say why",
                silent.as_secs()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn more_than_a_tenth_that_fails_is_trouble_until_it_is_five_minutes_ago() {
        let mut recent = Recent::default();
        for at in 0..45 {
            recent.sent(seconds(at), false);
        }
        for at in 45..50 {
            recent.failed(seconds(at));
        }
        assert_eq!(recent.trouble(seconds(50)), None);
        recent.failed(seconds(51));
        let said = recent.trouble(seconds(60)).unwrap();
        assert!(said.starts_with("6 of 51 tries"), "{said}");
        assert!(recent.trouble(seconds(51 + 45)).is_some());
        assert_eq!(recent.trouble(seconds(51 + 46)), None);
        recent.failed(seconds(51 + 240));
        assert!(recent.trouble(seconds(51 + 240)).is_some());
        assert_eq!(recent.trouble(seconds(61 + 300)), None);
    }

    #[test]
    fn a_few_that_fail_are_no_trouble() {
        let mut recent = Recent::default();
        for at in 0..4 {
            recent.failed(seconds(at));
        }
        assert_eq!(recent.trouble(seconds(5)), None);
        recent.failed(seconds(6));
        assert!(recent.trouble(seconds(7)).is_some());
    }

    #[test]
    fn what_was_told_has_to_come_back() {
        let mut recent = Recent::default();
        recent.sent(seconds(0), false);
        assert_eq!(recent.trouble(seconds(1000)), None);
        recent.sent(seconds(1000), true);
        recent.sent(seconds(1100), true);
        assert_eq!(recent.trouble(seconds(1120)), None);
        assert!(recent.trouble(seconds(1121)).unwrap().starts_with("for 121 s"));
        recent.received();
        assert_eq!(recent.trouble(seconds(1122)), None);
    }
}
