//! Large texts in parts, each read by a thread of its own.
//!
//! A `---` at the start of a line stands between documents wherever it is: no scalar, comment or collection can hold one. So
//! a text can be cut there without reading what is before it. Where that goes wrong, as behind a directive, a part is no
//! YAML on its own; then the text is read as a whole, and what is said about it is what a single reader says.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::{Documents, ParseError};

/// A text below this size is read in less time than threads need to be worth it. Bytes.
const SMALL: usize = 512 * 1024;

/// How many parts there are for each thread, so that none waits long for the last one.
const PARTS_A_THREAD: usize = 4;

/// How far behind the place for a cut one is looked for. Bytes.
const REACH: usize = 256 * 1024;

/// Reads the documents of a text, in as many parts at once as it pays; what `read` made of each part, in order.
///
/// # Errors
/// What `read` says of the whole text, which it is given once more where it says anything of a part.
pub fn in_parts<'i, T: Send>(
    text: &'i str,
    read: impl Fn(Documents<'i>) -> Result<T, ParseError> + Sync,
) -> Result<Vec<T>, ParseError> {
    let whole = || read(Documents::of_part(text, 0..text.len())).map(|made| vec![made]);
    if text.len() < SMALL {
        return whole();
    }
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if threads == 1 {
        return whole();
    }
    let size = (text.len() / (threads * PARTS_A_THREAD)).max(SMALL / PARTS_A_THREAD);
    match side_by_side(text, &cut(text, size), threads, &read) {
        Ok(made) => Ok(made),
        Err(_) => whole(),
    }
}

fn side_by_side<'i, T: Send>(
    text: &'i str,
    parts: &[Range<usize>],
    threads: usize,
    read: &(impl Fn(Documents<'i>) -> Result<T, ParseError> + Sync),
) -> Result<Vec<T>, ParseError> {
    let made = Mutex::new(Vec::with_capacity(parts.len()));
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let of_part = read(Documents::of_part(text, part.clone()));
            let failed = of_part.is_err();
            made.lock().unwrap_or_else(PoisonError::into_inner).push((part.start, of_part));
            if failed {
                // Nobody needs the rest.
                next.store(parts.len(), Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        // Where the system has no thread left, fewer do.
        for _ in 1..threads.min(parts.len()) {
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|(start, _)| *start);
    made.into_iter().map(|(_, of_part)| of_part).collect()
}

/// Cuts a text into parts of at least this size, where it can be cut.
fn cut(text: &str, size: usize) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let mut start = 0;
    while let Some(end) = document_behind(text, start + size) {
        cuts.push(start..end);
        start = end;
    }
    cuts.push(start..text.len());
    cuts
}

/// Where the next document begins, at or behind a place and not far from it.
fn document_behind(text: &str, place: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let window = bytes.get(place..bytes.len().min(place + REACH))?;
    let marks = window.windows(4).enumerate().filter(|(_, four)| *four == b"\n---");
    let mut starts = marks.map(|(at, _)| place + at + 1);
    starts.find(|start| bytes.get(start + 3).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')))
}

#[cfg(test)]
mod tests;
