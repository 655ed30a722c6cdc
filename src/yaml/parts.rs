//! Large texts in parts, each read by a thread of its own.
//!
//! A `---` at the start of a line stands between documents wherever it is: no scalar, comment or collection can hold one. So
//! a text can be cut there without reading what is before it; behind content only, since comments may be the next document's. Where that goes wrong, as behind a directive, a part is no
//! YAML on its own; then the text is read as a whole, and what is said about it is what a single reader says.

use std::ops::Range;

use memchr::memmem::rfind as memrmem;

use super::{Documents, ParseError};
use crate::parallel;

/// A text below this size is read in less time than threads need to be worth it. Bytes.
const SMALL: usize = 512 * 1024;

/// How many parts there are for each thread, so that none waits long for the last one.
const PARTS_A_THREAD: usize = 4;

/// How far behind the place for a cut one is looked for. Bytes.
const REACH: usize = 256 * 1024;

/// Reads the documents of a text, in as many parts at once as it pays; what `read` made of each part, in order.
///
/// # Errors
/// What `read` says of the whole text as one parser reads it, which it is given once more where it says anything else.
pub fn in_parts<'i, T: Send>(
    text: &'i str,
    read: impl Fn(Documents<'i>) -> Result<T, ParseError> + Sync,
) -> Result<Vec<T>, ParseError> {
    let threads = if text.len() < SMALL { 1 } else { parallel::cores() };
    let made = if threads == 1 {
        read(Documents::of(text)).map(|made| vec![made])
    } else {
        let size = (text.len() / (threads * PARTS_A_THREAD)).max(SMALL / PARTS_A_THREAD);
        side_by_side(text, &cut(text, size), &read)
    };
    made.or_else(|_| read(Documents::by_events(text)).map(|made| vec![made]))
}

fn side_by_side<'i, T: Send>(
    text: &'i str,
    parts: &[Range<usize>],
    read: &(impl Fn(Documents<'i>) -> Result<T, ParseError> + Sync),
) -> Result<Vec<T>, ParseError> {
    parallel::map(parts, |part| read(Documents::of_part(text, part.clone()))).into_iter().collect()
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
pub(super) fn document_behind(text: &str, place: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let window = bytes.get(place..bytes.len().min(place + REACH))?;
    let marks = window.windows(4).enumerate().filter(|(_, four)| *four == b"\n---");
    let mut starts = marks.map(|(at, _)| place + at + 1);
    starts.find(|start| {
        let stands_alone =
            bytes.get(start + 3).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        stands_alone && ends_in_content(bytes.get(..*start).unwrap_or_default())
    })
}

/// Where the last document of a text begins that can be cut off, whatever may follow the text.
pub(super) fn last_document(text: &[u8]) -> Option<usize> {
    let mut before = text;
    loop {
        let start = memrmem(before, b"\n---")? + 1;
        let is_mark = matches!(text.get(start + 3), Some(b' ' | b'\t' | b'\r' | b'\n'));
        if is_mark && ends_in_content(text.get(..start).unwrap_or_default()) {
            return Some(start);
        }
        before = text.get(..start)?;
    }
}

/// Whether the last line is one of a document's content. A comment behind the last document, or before the first one, could be that
/// of the next document.
fn ends_in_content(text: &[u8]) -> bool {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let line = line.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let content = line.trim_ascii_start();
    let marks = [&b"#"[..], b"%", b"...", b"---"];
    !content.is_empty() && !marks.iter().any(|mark| content.starts_with(mark))
}

#[cfg(test)]
mod tests;
