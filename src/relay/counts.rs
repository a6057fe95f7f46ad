//! What has happened since the start, for `/metrics`.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::time::Instant;

use super::recent::Recent;

#[derive(Clone, Debug)]
pub(super) struct Counts(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    start: Instant,
    recent: Mutex<Recent>,
    sent: AtomicU64,
    failed: AtomicU64,
    received: AtomicU64,
    rooms: AtomicU64,
    duplicates: AtomicU64,
}

impl Counts {
    pub(super) fn begin() -> Self {
        Self(Arc::new(Counters {
            start: Instant::now(),
            recent: Mutex::default(),
            sent: AtomicU64::default(),
            failed: AtomicU64::default(),
            received: AtomicU64::default(),
            rooms: AtomicU64::default(),
            duplicates: AtomicU64::default(),
        }))
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The homeserver has taken it; `is_event` says whether it tells of it again.
    pub(super) fn sent(&self, is_event: bool) {
        self.0.sent.fetch_add(1, Ordering::Relaxed);
        self.recent().sent(self.0.start.elapsed(), is_event);
    }

    /// A try has failed; `is_telling` says whether that tells of the homeserver, and not of what was to be told.
    pub(super) fn failed(&self, is_telling: bool) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
        if is_telling {
            self.recent().failed(self.0.start.elapsed());
        }
    }

    /// What went wrong lately.
    pub(super) fn trouble(&self) -> Option<String> {
        self.recent().trouble(self.0.start.elapsed())
    }

    pub(super) fn room(&self) {
        self.0.rooms.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self, events: usize) {
        self.0.received.fetch_add(events as u64, Ordering::Relaxed);
        self.recent().received();
    }

    pub(super) fn duplicates(&self, more: u64) {
        self.0.duplicates.fetch_add(more, Ordering::Relaxed);
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
