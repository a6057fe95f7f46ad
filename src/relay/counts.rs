//! What has happened since the start, for `/metrics`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

#[derive(Clone, Debug, Default)]
pub(super) struct Counts(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    received: AtomicU64,
    rooms: AtomicU64,
    duplicates: AtomicU64,
}

impl Counts {
    pub(super) fn sent(&self) {
        self.0.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn room(&self) {
        self.0.rooms.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self) {
        self.0.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn duplicate(&self) {
        self.0.duplicates.fetch_add(1, Ordering::Relaxed);
    }

    /// In Prometheus' format, by the names that dashboards of chat services look for.
    pub(super) fn exposed(&self) -> String {
        let counters = &self.0;
        let all = [
            ("matrix_send_success_total", "What the homeserver has taken", &counters.sent),
            ("matrix_send_failure_total", "Tries that failed", &counters.failed),
            ("matrix_sync_events_received_total", "Events of the homeserver", &counters.received),
            ("matrix_room_creation_total", "Rooms that were made", &counters.rooms),
            ("matrix_duplicate_events_total", "Events that came again", &counters.duplicates),
        ];
        let line = |(name, help, count): (&str, &str, &AtomicU64)| {
            let count = count.load(Ordering::Relaxed);
            format!("# HELP {name} {help}.\n# TYPE {name} counter\n{name} {count}\n")
        };
        all.into_iter().map(line).collect()
    }
}
