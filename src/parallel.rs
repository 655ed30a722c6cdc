//! Work on as many cores as there are, where there is enough of it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

/// How many cores this process may use. Asked once: the answer is read from files of the system, which takes longer than to
/// judge a small file.
#[must_use]
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

/// What `make` makes of each, in their order. As many are made at once as there are cores, the caller's among them.
pub fn map<'a, T: Sync, R: Send>(all: &'a [T], make: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    let threads = cores().min(all.len());
    if threads <= 1 {
        return all.iter().map(make).collect();
    }
    let results = Mutex::new(Vec::with_capacity(all.len()));
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(at) else { break };
            let one = make(one);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, one));
        }
    };
    thread::scope(|scope| {
        // Where the system has no thread left, fewer do.
        for _ in 1..threads {
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, one)| one).collect()
}

/// How many of a multitude are worth a turn.
const AT_ONCE: usize = 256;

/// Likewise, of a multitude that each take little time.
pub fn map_many<'a, T: Sync, R: Send>(all: &'a [T], make: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    let few: Vec<&'a [T]> = all.chunks(AT_ONCE).collect();
    map(&few, |few| few.iter().map(&make).collect::<Vec<R>>()).into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        let numbers: Vec<usize> = (0..1_000).collect();
        let squares = map(&numbers, |number| {
            if number % 7 == 0 {
                thread::yield_now();
            }
            number * number
        });
        assert!(squares.iter().enumerate().all(|(at, square)| at * at == *square));
        assert!(map(&[] as &[usize], |number| *number).is_empty());
        assert_eq!(map_many(&numbers, |number| number * number), squares);
    }

    #[test]
    fn a_panic_is_not_lost() {
        let made = std::panic::catch_unwind(|| map(&[1, 2, 3], |number| assert_ne!(*number, 2)));
        assert!(made.is_err());
    }
}
