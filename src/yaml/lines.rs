//! Documents in the form that kustomize and sops write, read line by line: a tenth of the work of events.
//!
//! Only what leaves no doubt is read here: printable ASCII, block style, one plain or quoted scalar without escapes in a
//! line, literal blocks, empty braces and brackets. No comments, tags, anchors, tabs or folds. At anything else the
//! answer is `None`, and the parser reads the document. So no document is read in a way of our own: property tests and,
//! in debug builds (all tests, the fuzz targets), every reading of a document compare the answer with the parser's.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::{Content, Document, Entry, Node, ScalarStyle, duplicate};

/// Few manifests nest as deeply; beyond it the parser judges.
const DEEPEST: usize = 32;

/// Beyond it the parser judges whether this can be a key. Bytes.
const LONGEST_KEY: usize = 256;

/// The document that begins at `start`, with or without a `---`, and where the next one does; `None` where the parser has to
/// read it. `end` is the end of the last document.
pub(super) fn document(text: &str, start: usize, end: usize) -> Option<(Document<'_>, usize)> {
    let mut lines = Lines {
        text,
        bytes: text.as_bytes().get(..end)?,
        line: Line::default(),
        entries: vec![],
        items: vec![],
    };
    lines.go_to(start)?;
    if lines.is_marker() {
        lines.go_to(lines.line.end + 1)?;
    }
    let root = lines.block(0, 0)?;
    let next = lines.line.start;
    if next < end && !lines.is_marker() {
        return None;
    }
    Some((Document { range: root.range.start..next, lines: Some(start..next), root }, next))
}

/// A line that is not blank, by its bytes in the text.
#[derive(Clone, Copy, Default)]
struct Line {
    start: usize,
    /// Where its content begins.
    content: usize,
    /// Where its line break is, or the text ends.
    end: usize,
}

impl Line {
    fn column(self) -> usize {
        self.content - self.start
    }
}

struct Lines<'i> {
    text: &'i str,
    bytes: &'i [u8],
    /// The line that is read next; empty, at the end, behind the last one.
    line: Line,
    /// The entries of all open mappings, those of the innermost last.
    entries: Vec<Entry<'i>>,
    /// The items of all open lists, likewise.
    items: Vec<Node<'i>>,
}

impl<'i> Lines<'i> {
    /// Goes to the next line from `start` on that is not empty. `None` where it holds what is not read here.
    fn go_to(&mut self, mut start: usize) -> Option<()> {
        while self.bytes.get(start) == Some(&b'\n') {
            start += 1;
        }
        self.line = self.line_at(start.min(self.bytes.len()))?;
        Some(())
    }

    fn line_at(&self, start: usize) -> Option<Line> {
        let rest = self.bytes.get(start..)?;
        let line = rest.get(..memchr(b'\n', rest).unwrap_or(rest.len()))?;
        // No branch in the loop: a line may have megabytes.
        let is_plain = line.iter().fold(true, |plain, byte| plain & (b' '..=b'~').contains(byte));
        let spaces = line.iter().take_while(|byte| **byte == b' ').count();
        let is_blank = spaces == line.len() && !rest.is_empty();
        (is_plain && !is_blank).then_some(Line { start, content: start + spaces, end: start + line.len() })
    }

    fn is_at_end(&self) -> bool {
        self.line.start >= self.bytes.len()
    }

    /// Whether this line is a `---` and nothing else.
    fn is_marker(&self) -> bool {
        self.bytes.get(self.line.start..self.line.end) == Some(b"---")
    }

    /// Whether this line begins with the `-` of a list's item.
    fn has_dash(&self) -> bool {
        self.bytes.get(self.line.content..).is_some_and(|rest| rest.starts_with(b"- "))
    }

    /// The mapping or list that begins with this line, in this column.
    fn block(&mut self, column: usize, depth: usize) -> Option<Node<'i>> {
        if self.is_at_end() || self.line.column() != column || depth > DEEPEST {
            return None;
        }
        if self.has_dash() { self.list(column, depth) } else { self.mapping(self.line.content, depth) }
    }

    /// The mapping whose first key is at this place of the current line.
    fn mapping(&mut self, start: usize, depth: usize) -> Option<Node<'i>> {
        let column = start - self.line.start;
        let first = self.entries.len();
        let mut at = start;
        loop {
            let key = self.key(at)?;
            let value = self.value(key.range.end, column, depth)?;
            self.entries.push(Entry { key, value });
            if self.is_at_end() || self.line.column() < column {
                break;
            }
            if self.line.column() > column || self.has_dash() {
                return None;
            }
            if column == 0 && self.is_marker() {
                break;
            }
            at = self.line.content;
        }
        let entries: Box<[_]> = self.entries.drain(first..).collect();
        if duplicate(&entries).is_some() {
            return None;
        }
        let end = entries.last()?.value.range.end;
        let content = Content::Mapping { entries, comments: Box::default(), flow: false };
        Some(Node { range: start..end, properties: None, content })
    }

    /// The list whose dashes are in this column.
    fn list(&mut self, column: usize, depth: usize) -> Option<Node<'i>> {
        let (first, start) = (self.items.len(), self.line.content);
        while !self.is_at_end() && self.line.column() == column && self.has_dash() {
            let behind = self.line.content + 1;
            let at = behind + self.spaces(behind);
            let item = if self.key(at).is_some() {
                (depth < DEEPEST).then_some(())?;
                self.mapping(at, depth + 1)?
            } else {
                self.scalar(at, column)?
            };
            self.items.push(item);
        }
        let items: Box<[_]> = self.items.drain(first..).collect();
        let end = items.last()?.range.end;
        let content = Content::Sequence { items, comments: Box::default(), flow: false };
        Some(Node { range: start..end, properties: None, content })
    }

    fn spaces(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..self.line.end).unwrap_or_default();
        rest.iter().take_while(|byte| **byte == b' ').count()
    }

    /// The key at this place of the line, plain or in quotes. Its colon is behind it.
    fn key(&self, at: usize) -> Option<Node<'i>> {
        let rest = self.bytes.get(at..self.line.end)?;
        let is_of_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-');
        let length = match rest.first()? {
            quote @ (b'"' | b'\'') => 2 + memchr(*quote, rest.get(1..)?)?,
            b'-' => return None,
            _ => rest.iter().position(|byte| !is_of_key(*byte))?,
        };
        let ends_well =
            rest.get(length) == Some(&b':') && rest.get(length + 1).is_none_or(|byte| *byte == b' ');
        if !ends_well || length == 0 || length > LONGEST_KEY {
            return None;
        }
        self.one_line(at..at + length)
    }

    /// The value of a key that ends here and stands in this column.
    fn value(&mut self, key_end: usize, column: usize, depth: usize) -> Option<Node<'i>> {
        let behind = key_end + 1;
        if behind < self.line.end {
            return self.scalar(behind + self.spaces(behind), column);
        }
        self.go_to(self.line.end + 1)?;
        let is_below = !self.is_at_end() && self.line.column() > column;
        let is_beside = !self.is_at_end() && self.line.column() == column && self.has_dash();
        if is_below || is_beside {
            return self.block(self.line.column(), depth + 1);
        }
        Some(scalar(behind..behind, Cow::Borrowed(""), ScalarStyle::Plain))
    }

    /// The scalar or empty collection that takes the rest of this line, and goes behind it. A literal block is indented by more
    /// than `column`.
    fn scalar(&mut self, at: usize, column: usize) -> Option<Node<'i>> {
        let range = at..self.line.end;
        let node = match self.bytes.get(range.clone())? {
            [b'|'] => return self.literal(at, column, true),
            [b'|', b'-'] => return self.literal(at, column, false),
            b"{}" => {
                let content =
                    Content::Mapping { entries: Box::default(), comments: Box::default(), flow: true };
                Node { range, properties: None, content }
            }
            b"[]" => {
                let content =
                    Content::Sequence { items: Box::default(), comments: Box::default(), flow: true };
                Node { range, properties: None, content }
            }
            _ => self.one_line(range)?,
        };
        self.go_to(self.line.end + 1)?;
        Some(node)
    }

    /// The scalar that takes this range of the line.
    fn one_line(&self, range: Range<usize>) -> Option<Node<'i>> {
        let (inner, style) = match self.bytes.get(range.clone())? {
            [b'"', inner @ .., b'"'] if !inner.iter().any(|byte| matches!(byte, b'"' | b'\\')) => {
                (range.start + 1..range.end - 1, ScalarStyle::DoubleQuoted)
            }
            [b'\'', inner @ .., b'\''] if !inner.contains(&b'\'') => {
                (range.start + 1..range.end - 1, ScalarStyle::SingleQuoted)
            }
            plain if is_plain(plain) => (range.clone(), ScalarStyle::Plain),
            _ => return None,
        };
        Some(scalar(range, Cow::Borrowed(self.text.get(inner)?), style))
    }

    /// The literal block whose `|` is here, at the end of this line. `clip` keeps the last line break.
    fn literal(&mut self, start: usize, column: usize, clip: bool) -> Option<Node<'i>> {
        let mut line = self.line_at(self.line.end + 1)?;
        let indent = line.column();
        if indent <= column || line.start >= self.bytes.len() {
            return None;
        }
        let first = line.content;
        let mut lines = Vec::new();
        loop {
            // Without a line break behind it, readers disagree about one in the text.
            (self.bytes.get(line.end) == Some(&b'\n')).then_some(())?;
            lines.push(line);
            let next = self.line_at(line.end + 1)?;
            if next.start >= self.bytes.len() || next.column() < indent {
                break;
            }
            line = next;
        }
        let end = line.end;
        let text = match lines.as_slice() {
            [_] => Cow::Borrowed(self.text.get(first..end + usize::from(clip))?),
            lines => {
                let mut text = String::with_capacity(end - first);
                for line in lines {
                    text.push_str(self.text.get(line.start + indent..line.end)?);
                    text.push('\n');
                }
                if !clip {
                    text.pop();
                }
                Cow::Owned(text)
            }
        };
        self.go_to(end + 1)?;
        Some(scalar(start..end, text, ScalarStyle::Literal))
    }
}

fn scalar(range: Range<usize>, text: Cow<'_, str>, style: ScalarStyle) -> Node<'_> {
    Node { range, properties: None, content: Content::Scalar { text, style } }
}

/// Whether the rest of a line is a plain scalar, whatever stands around it.
fn is_plain(text: &[u8]) -> bool {
    let (Some(first), Some(last)) = (text.first(), text.last()) else { return false };
    let is_dashed = *first == b'-' && text.get(1).is_some_and(|second| *second != b' ');
    let begins_well = is_dashed || !b"-?:,[]{}#&*!|>'\"%@`".contains(first);
    let ends_well = !matches!(last, b' ' | b':');
    // Most have no space, and then neither of the pairs.
    let is_split = || text.windows(2).any(|pair| matches!(pair, b": " | b" #"));
    begins_well && ends_well && (memchr(b' ', text).is_none() || !is_split())
}

#[cfg(test)]
mod tests;
