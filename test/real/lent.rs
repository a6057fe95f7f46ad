//! Servers that are lent from one test to the next: whoever has one may start, stop, kill and set as it
//! likes. The next one gets it with the settings it had at first.

use std::{
    fs,
    ops::Deref,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::common::Instance;

static FREE: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// A server with its settings as they were.
struct Kept {
    server: Instance,
    settings: String,
    is_up: bool,
}

/// Had until it is dropped. That of a test that failed goes to nobody.
pub(crate) struct Lent(Option<Kept>);

impl Lent {
    /// As it comes; what runs may have other settings.
    pub(crate) fn any() -> Self {
        Self::of(false)
    }

    /// With everything up, as its settings were at first.
    pub(crate) fn up() -> Self {
        let lent = Self::of(true);
        let started = lent.run(&["manage", "start"]);
        assert!([0, 2].contains(&started.code), "{started}");
        if started.stderr.contains("does not use these settings yet") {
            lent.run(&["manage", "restart"]).success();
        }
        lent
    }

    /// With nothing up.
    pub(crate) fn down() -> Self {
        let lent = Self::of(false);
        let stopped = lent.run(&["manage", "stop"]);
        assert!([0, 2].contains(&stopped.code), "{stopped}");
        lent
    }

    fn of(up: bool) -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let place = free.iter().position(|it| it.is_up == up);
        let kept = place.map(|place| free.swap_remove(place)).or_else(|| free.pop());
        drop(free);
        let kept = kept.unwrap_or_else(|| {
            let server = Instance::installed("lent");
            let settings = fs::read_to_string(server.data.join("settings.yaml")).unwrap();
            Kept { server, settings, is_up: false }
        });
        // Who has ever left something to be sent has the service that does.
        let outbox = kept.server.data.join("outbox");
        if outbox.exists() {
            let stopped = kept.server.run(&["manage", "stop"]);
            assert!([0, 2].contains(&stopped.code), "{stopped}");
            fs::remove_dir_all(outbox).unwrap();
        }
        let overrides = kept.server.data.join("homeserver.d");
        fs::write(kept.server.data.join("settings.yaml"), &kept.settings).unwrap();
        for entry in fs::read_dir(overrides).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        Self(Some(kept))
    }
}

impl Deref for Lent {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.0.as_ref().unwrap().server
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(mut kept) = self.0.take().filter(|_| !thread::panicking()) {
            kept.is_up = kept.server.is_healthy();
            FREE.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        }
    }
}
