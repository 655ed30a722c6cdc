//! Work on as many cores as there are, where there is enough of it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// How many cores this process may use.
#[must_use]
pub fn cores() -> usize {
    // Linux has to read half a dozen files for it, and each of some hundred files asks.
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

/// What `make` makes of each, in their order. As many are made at once as there are cores, the caller's among them.
pub fn map<'a, T: Sync, R: Send>(all: &'a [T], make: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    let mut results = Vec::with_capacity(all.len());
    in_order(all, make, |one| results.push(one));
    results
}

/// How many of a multitude are worth a turn.
const AT_ONCE: usize = 256;

/// How many may wait for their turn, for each thread, before nobody goes on.
const AHEAD: usize = 2;

/// Likewise, of a multitude that each take little time.
pub fn map_many<'a, T: Sync, R: Send>(all: &'a [T], make: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    let few: Vec<&'a [T]> = all.chunks(AT_ONCE).collect();
    map(&few, |few| few.iter().map(&make).collect::<Vec<R>>()).into_iter().flatten().collect()
}

/// Makes something of each and hands it over in their order, as soon as it and all before it are made. Whoever has made
/// something hands over what is ready, and the others go on, unless too much waits to be handed over.
pub fn in_order<'a, T: Sync, R: Send>(
    all: &'a [T],
    make: impl Fn(&'a T) -> R + Sync,
    mut take: impl FnMut(R) + Send,
) {
    let threads = cores().min(all.len());
    if threads <= 1 {
        return all.iter().for_each(|one| take(make(one)));
    }
    let ready = Mutex::new(BTreeMap::new());
    let mut turn = 0;
    // Called by one at a time.
    let hand_over = Mutex::new(|| {
        while let Some(one) = lock(&ready).remove(&turn) {
            take(one);
            turn += 1;
        }
    });
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(at) else { break };
            let one = make(one);
            let waiting = {
                let mut ready = lock(&ready);
                ready.insert(at, one);
                ready.len()
            };
            if waiting > AHEAD * threads {
                lock(&hand_over)();
            } else if let Ok(mut hand_over) = hand_over.try_lock() {
                hand_over();
            }
        }
    };
    thread::scope(|scope| {
        // Where the system has no thread left, fewer do.
        for _ in 1..threads {
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    // What was made while another handed over for the last time.
    lock(&hand_over)();
}

/// What a panic has left behind is not used: the scope of its thread panics, too.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn what_is_made_is_handed_over_in_order() {
        let numbers: Vec<usize> = (0..1_000).collect();
        let square = |number: &usize| {
            if number.is_multiple_of(7) {
                thread::yield_now();
            }
            number * number
        };
        let mut taken = Vec::new();
        in_order(&numbers, square, |square| taken.push(square));
        assert!(taken.iter().enumerate().all(|(at, square)| at * at == *square) && taken.len() == 1_000);
        in_order(&[] as &[usize], |number| *number, |_| panic!("there is none"));
    }

    /// What is made does not wait for the last one.
    #[test]
    fn what_is_made_is_handed_over_soon() {
        let (made, mut at_first) = (AtomicUsize::new(0), None);
        let work = |_: &usize| {
            thread::sleep(std::time::Duration::from_millis(1));
            made.fetch_add(1, Ordering::SeqCst)
        };
        in_order(&[0; 200], work, |_| _ = at_first.get_or_insert_with(|| made.load(Ordering::SeqCst)));
        assert!(at_first.is_some_and(|made| made < 100), "{at_first:?}");
    }

    #[test]
    fn a_panic_is_not_lost() {
        let made = std::panic::catch_unwind(|| map(&[1, 2, 3], |number| assert_ne!(*number, 2)));
        assert!(made.is_err());
        let made = std::panic::catch_unwind(|| in_order(&[1, 2, 3], |number| assert_ne!(*number, 2), drop));
        assert!(made.is_err());
    }
}
