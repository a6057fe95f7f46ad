//! How many of one kind may be at it at once: each user, each conversation.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;
use uuid::Uuid;

pub(super) struct Each {
    most: usize,
    /// Of those who are at it or wait.
    all: Mutex<BTreeMap<Uuid, Arc<Semaphore>>>,
}

impl Each {
    pub(super) fn of(most: usize) -> Self {
        Self { most, all: Mutex::default() }
    }

    pub(super) fn places(&self, of: Uuid) -> Arc<Semaphore> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, it| Arc::strong_count(it) > 1);
        Arc::clone(all.entry(of).or_insert_with(|| Arc::new(Semaphore::new(self.most))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_and_who_is_gone_leaves_nothing() {
        let each = Each::of(1);
        let held = each.places(Uuid::from_u128(1)).try_acquire_owned().unwrap();
        assert!(each.places(Uuid::from_u128(1)).try_acquire_owned().is_err());
        assert!(each.places(Uuid::from_u128(2)).try_acquire_owned().is_ok());
        drop(held);
        assert!(each.places(Uuid::from_u128(1)).try_acquire_owned().is_ok());
        each.places(Uuid::from_u128(3));
        assert_eq!(each.all.lock().unwrap().len(), 1);
    }
}
