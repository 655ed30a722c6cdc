//! A text's documents, each by the quickest reader that knows it: [`lines`], or else the parser.

use std::ops::Range;

use super::parse::Piece;
use super::parts::document_behind;
use super::{Document, ParseError, in_parts, lines};

/// How much the parser reads at least before lines are tried again. Making a parser is worth this many bytes. Bytes.
const PIECE: usize = 32 * 1024;

/// Parses a stream of documents.
///
/// # Errors
/// The text is no YAML, nests too deeply, or holds a key twice, a key that is no scalar, or an alias inside the node
/// that it refers to.
pub fn parse(text: &str) -> Result<Vec<Document<'_>>, ParseError> {
    in_parts(text, Iterator::collect::<Result<Vec<_>, _>>).map(|parts| {
        let mut parts = parts.into_iter();
        let mut documents = parts.next().unwrap_or_default();
        parts.for_each(|mut part| documents.append(&mut part));
        documents
    })
}

/// The first document of a stream; what follows it may be no YAML at all.
///
/// # Errors
/// See [`parse`].
pub fn first(text: &str) -> Result<Option<Document<'_>>, ParseError> {
    match Documents::of(text).next() {
        Some(Err(_)) => Documents::by_events(text).next().transpose(),
        first => first.transpose(),
    }
}

/// A document of a text once more, as it was read from these [`Document::lines`]. `None` where they are not those of one.
#[must_use]
pub fn again(text: &str, lines: Range<usize>) -> Option<Document<'_>> {
    lines::document(text, lines.start, lines.end).map(|(document, _)| document)
}

/// The documents of a text, or of a part of it, one after the other. Each can be dropped before the next one is read.
pub struct Documents<'i> {
    text: &'i str,
    part: Range<usize>,
    /// Where what was not read yet begins.
    left: usize,
    /// What the parser reads.
    piece: Option<Piece<'i>>,
}

impl<'i> Documents<'i> {
    /// Those of a text. An error names a place in the piece that was read last: [`in_parts`] and [`first`] ask the parser alone for the right one.
    #[must_use]
    pub(super) fn of(text: &'i str) -> Self {
        Self::of_part(text, 0..text.len())
    }

    /// Those of a text as the parser alone reads it.
    #[must_use]
    pub(super) fn by_events(text: &'i str) -> Self {
        let part = 0..text.len();
        Self { text, left: part.end, piece: Some(Piece::new(text, part.clone())), part }
    }

    /// Those of a part that begins where a document does and ends where one does.
    pub(super) fn of_part(text: &'i str, part: Range<usize>) -> Self {
        Self { text, left: part.start, piece: None, part }
    }

    /// Whether these are all documents of the text.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.part == (0..self.text.len())
    }

    /// What the parser has to read: the next documents, up to a place where lines can go on.
    fn next_piece(&self) -> Range<usize> {
        let end = document_behind(self.text, self.left + PIECE).filter(|end| *end < self.part.end);
        self.left..end.unwrap_or(self.part.end)
    }
}

impl<'i> Iterator for Documents<'i> {
    type Item = Result<Document<'i>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = &mut self.piece {
                match piece.next() {
                    Some(document) => return Some(document),
                    None => self.piece = None,
                }
            }
            if self.left >= self.part.end {
                return None;
            }
            if let Some((document, next)) = lines::document(self.text, self.left, self.part.end) {
                debug_assert!(is_as_parsed(self.text, &document, self.left..next));
                self.left = next;
                return Some(Ok(document));
            }
            let piece = self.next_piece();
            self.left = piece.end;
            self.piece = Some(Piece::new(self.text, piece));
        }
    }
}

/// Whether the parser makes the same of a document, and lines do once more; taken for granted where that would take long.
fn is_as_parsed(text: &str, document: &Document<'_>, range: Range<usize>) -> bool {
    range.len() > PIECE || {
        let mut parsed = Piece::new(text, range.clone());
        let is_same = |read: Option<&Document<'_>>| read == Some(document);
        is_same(parsed.next().and_then(Result::ok).as_ref())
            && parsed.next().is_none()
            && is_same(again(text, range).as_ref())
    }
}
