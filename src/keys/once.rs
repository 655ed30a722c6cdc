//! Values that are made once for each key, however many callers ask at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// A map whose values are made on first demand. Callers that come while a value is in the making wait for it and get
/// the same one, failures included: what AWS refused once a run is not asked again.
pub(super) struct OnceMap<K, V> {
    cells: Mutex<HashMap<K, Arc<OnceCell<V>>>>,
}

impl<K, V> Default for OnceMap<K, V> {
    fn default() -> Self {
        Self { cells: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> OnceMap<K, V> {
    /// The value of `key`, from `make` where nobody made it yet.
    ///
    /// Where the caller that makes it is dropped half-way, the next one that waits makes it.
    pub(super) async fn get_or_make<F>(&self, key: &K, make: impl FnOnce() -> F) -> V
    where
        F: Future<Output = V>,
    {
        let cell = self.cell(key);
        cell.get_or_init(make).await.clone()
    }

    /// The cell of `key`. The lock is never held across an await.
    fn cell(&self, key: &K) -> Arc<OnceCell<V>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        match cells.get(key) {
            Some(cell) => Arc::clone(cell),
            None => Arc::clone(cells.entry(key.clone()).or_default()),
        }
    }

    /// Puts a value there before anybody asks for it.
    #[cfg(test)]
    pub(super) fn put(&self, key: &K, value: V) {
        assert!(self.cell(key).set(value).is_ok(), "the value is there already");
    }
}
