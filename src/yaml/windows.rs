//! A large text of many documents, some of them at a time: it is never held whole.

use std::io::{self, Read};

use super::parts::last_document;

/// The documents of a text as it comes, in windows that are cut between documents, where [`super::in_parts`] would.
pub struct Windows<R> {
    content: R,
    /// What was read and not yet let go: first the window that is shown, then the beginning of the next one.
    held: Vec<u8>,
    shown: usize,
    /// How much is held, unless a document is larger. Bytes.
    size: u64,
    is_read: bool,
}

impl<R: Read> Windows<R> {
    /// None read yet.
    #[must_use]
    pub fn new(content: R, size: u64) -> Self {
        Self { content, held: Vec::new(), shown: 0, size, is_read: false }
    }

    /// The text of the next documents; `None` behind the last ones.
    ///
    /// # Errors
    /// It cannot be read, or is not UTF-8.
    pub fn next_text(&mut self) -> Option<io::Result<&str>> {
        self.held.drain(..self.shown);
        self.shown = 0;
        let end = match self.fill() {
            Ok(end) => end,
            Err(error) => return Some(Err(error)),
        };
        self.shown = end;
        let window = self.held.get(..end).filter(|window| !window.is_empty())?;
        Some(str::from_utf8(window).map_err(|_| io::ErrorKind::InvalidData.into()))
    }

    /// Reads until the end of a document is there, or all; where that is.
    fn fill(&mut self) -> io::Result<usize> {
        let mut size = self.size;
        loop {
            let missing = size.saturating_sub(self.held.len() as u64);
            self.held.reserve_exact(usize::try_from(missing).unwrap_or(0));
            let read = self.content.by_ref().take(missing).read_to_end(&mut self.held)?;
            self.is_read |= (read as u64) < missing;
            if self.is_read {
                return Ok(self.held.len());
            }
            if let Some(end) = last_document(&self.held) {
                return Ok(end);
            }
            size *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::parse;

    fn windows(text: &str, size: u64) -> Vec<String> {
        let mut windows = Windows::new(text.as_bytes(), size);
        let mut all = Vec::new();
        while let Some(text) = windows.next_text() {
            all.push(text.unwrap().to_owned());
        }
        all
    }

    #[test]
    fn a_text_is_shown_by_documents() {
        let text = "a: 1\n---\nb: ---\n--- c\n- --\n---\td\n  ---\n---";
        assert_eq!(windows(text, 10), ["a: 1\n", "---\nb: ---\n", "--- c\n- --\n", "---\td\n  ---\n---"]);
        assert_eq!(windows(text, 27), ["a: 1\n---\nb: ---\n", "--- c\n- --\n---\td\n  ---\n---"]);
        assert_eq!(windows(text, text.len() as u64 + 1), [text]);
        assert_eq!(
            windows(text, text.len() as u64),
            ["a: 1\n---\nb: ---\n--- c\n- --\n", "---\td\n  ---\n---"]
        );
        assert!(windows("", 4).is_empty());
    }

    /// What follows may make a `---` something else.
    #[test]
    fn no_window_ends_in_doubt() {
        assert_eq!(windows("a\n---b\n", 5), ["a\n---b\n"]);
        assert_eq!(windows("# c\n---\na\n", 8), ["# c\n---\na\n"]);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let mut windows = Windows::new(&b"a: 1\n---\nb: \xff\n"[..], 10);
        assert_eq!(windows.next_text().unwrap().unwrap(), "a: 1\n");
        assert!(windows.next_text().unwrap().is_err());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let mut windows = Windows::new((&b"a: 1\n---\n"[..]).chain(Broken), 100);
        assert!(windows.next_text().unwrap().is_err());
    }

    proptest! {
        /// Nothing is lost between windows, and each is YAML of its own where the whole is.
        #[test]
        fn windows_are_the_text(
            lines in prop::collection::vec(prop::sample::select(vec![
                "---", "--- ", "--- a", "...", "# c", "a: 1", "  c: 2", "- é", "k: |", "", "q: \"x", "y\"", "'", "---x", "a: &a x", "b: *a",
            ]), 0..20),
            size in 1_u64..40,
        ) {
            let text = lines.join("\n");
            let windows = windows(&text, size);
            prop_assert_eq!(windows.concat(), text.as_str());
            let apart: Result<Vec<_>, _> = windows.iter().map(|window| parse(window)).collect();
            if let (Ok(apart), Ok(whole)) = (apart, parse(&text)) {
                let count: usize = apart.iter().map(Vec::len).sum();
                prop_assert_eq!(count, whole.len());
            }
        }
    }
}
