//! Events of the parser to [`Document`]s.
//!
//! The events come with spans that are right, but not what a splice needs: a block scalar's leaves out its header and
//! takes in the blank lines behind it, an empty value's lies on the `:` or `-` before it, a block collection's end
//! lies on whatever comes next, and none includes tag and anchor. Here they become the ranges that [`Node`] promises.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Options, Parser, ScanError, Span, StrInput, StructureStyle, Tag};

use super::{Comment, Content, Document, Entry, Node, Properties, ScalarStyle, duplicate};

/// The longest implicit key, in characters. YAML allows 1024, JSON any length; the parser holds back the tokens of
/// that much text while it does not know yet whether it is a key, so it bounds memory, too.
const LONGEST_KEY: usize = 65_536;

/// Why a text is no YAML that we read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong. Never holds text of the input.
    pub what: String,
    /// One-based line.
    pub line: usize,
    /// One-based column.
    pub column: usize,
}

impl ParseError {
    /// At a byte of the text.
    fn at(text: &str, byte: usize, what: &str) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            what: what.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
        }
    }
}

impl From<ScanError> for ParseError {
    fn from(error: ScanError) -> Self {
        let what = match error.kind() {
            // Its message would hold the character.
            ErrorKind::UnexpectedCharacter { .. } => "unexpected character".to_owned(),
            ErrorKind::RecursionLimitExceeded => "nested too deeply".to_owned(),
            kind => kind.to_string(),
        };
        Self { what, line: error.marker().line(), column: error.marker().col() + 1 }
    }
}

/// The documents of a piece of a text, by the events of the parser.
pub(super) struct Piece<'i> {
    events: Events<'i>,
    builder: Builder<'i>,
}

impl<'i> Piece<'i> {
    /// Those of a piece that begins where a document does and ends where one does.
    pub(super) fn new(text: &'i str, piece: Range<usize>) -> Self {
        let mut events =
            Parser::new_from_str_with_options(text.get(piece.clone()).unwrap_or_default(), options());
        if piece.start > 0 {
            // Numbers that no other piece has: each anchor has a byte of its own.
            events.set_anchor_offset(piece.start);
        }
        Self { events, builder: Builder::new(text, piece) }
    }
}

impl<'i> Iterator for Piece<'i> {
    type Item = Result<Document<'i>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Where a document ends is known once the next one begins.
        while self.builder.documents.len() < 2
            && let Some(event) = self.events.next_event()
        {
            let read = event
                .map_err(ParseError::from)
                .and_then(|(event, span)| self.builder.event(event, &span, &mut self.events));
            if let Err(error) = read {
                return Some(Err(error));
            }
        }
        self.builder.documents.pop_front().map(Ok)
    }
}

fn options() -> Options {
    granit_parser::options! {
        // A long comment between a key and its value is no attack.
        max_buffered_comment_events: usize::MAX,
        simple_key_max_lookahead: LONGEST_KEY,
        // As the readers behind us do.
        block_scalar_eof_without_line_feed: true,
        emit_anchor_events: true,
    }
}

/// A collection that is not closed yet.
struct Open<'i> {
    /// Where its content starts.
    start: usize,
    /// What stands before it.
    properties: Option<Box<Properties>>,
    children: Children<'i>,
    /// The comments inside it.
    comments: Vec<Comment<'i>>,
    /// The column of a block collection; none for flow style.
    column: Option<usize>,
}

/// Where in the builder the children of an open collection begin. They move into a box of their own size once all are known.
enum Children<'i> {
    Mapping {
        first: usize,
        /// The key that waits for its value.
        key: Option<Node<'i>>,
    },
    Sequence {
        first: usize,
    },
}

/// A comment that waits to be known inside which collection it stands.
struct PendingComment<'i> {
    comment: Comment<'i>,
    column: usize,
}

type Events<'i> = Parser<'i, StrInput<'i>>;

/// Collects events into documents.
struct Builder<'i> {
    text: &'i str,
    /// The part that the events are of; they count from its start.
    part: Range<usize>,
    documents: VecDeque<Document<'i>>,
    open: Vec<Open<'i>>,
    /// The entries of all open mappings, those of the innermost last.
    entries: Vec<Entry<'i>>,
    /// The items of all open lists, those of the innermost last.
    items: Vec<Node<'i>>,
    /// The anchors of `open`.
    open_anchors: HashSet<usize>,
    root: Option<Node<'i>>,
    comments: Vec<PendingComment<'i>>,
    /// Where the last event that is no comment ended.
    last_end: usize,
    /// Where the first comment of the document begins.
    first_comment: Option<usize>,
    /// Whether the last document still takes in what follows it.
    unfinished: bool,
}

impl<'i> Builder<'i> {
    fn new(text: &'i str, part: Range<usize>) -> Self {
        Self {
            text,
            documents: VecDeque::new(),
            open: Vec::new(),
            entries: Vec::new(),
            items: Vec::new(),
            open_anchors: HashSet::new(),
            root: None,
            comments: Vec::new(),
            last_end: part.start,
            first_comment: None,
            unfinished: false,
            part,
        }
    }

    /// The bytes of a span in the whole text.
    fn bytes(&self, span: &Span) -> Range<usize> {
        let range = span.byte_range().unwrap_or_default();
        self.part.start + range.start..self.part.start + range.end
    }

    fn event(&mut self, event: Event<'i>, span: &Span, events: &mut Events<'i>) -> Result<(), ParseError> {
        let range = self.bytes(span);
        match event {
            Event::Comment(text, _) => {
                self.comment(Comment { range, text }, span.start.col());
                return Ok(());
            }
            Event::DocumentStart(explicit, _) => {
                self.document_start(explicit, range.start);
                if !explicit {
                    // Its span is that of the first token of its content.
                    return Ok(());
                }
            }
            Event::DocumentEnd => self.document_end(&range),
            Event::Alias(anchor) => self.alias(anchor, &range)?,
            Event::Scalar(value, style, anchor, tag) => {
                let properties = self.properties(span, anchor, tag, events)?;
                let node = self.scalar(value, style, range.clone(), properties);
                self.add(node)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                let properties = self.properties(span, anchor, tag, events)?;
                let children = Children::Mapping { first: self.entries.len(), key: None };
                self.start(children, style, span, properties);
            }
            Event::SequenceStart(style, anchor, tag) => {
                let properties = self.properties(span, anchor, tag, events)?;
                self.start(Children::Sequence { first: self.items.len() }, style, span, properties);
            }
            Event::MappingEnd | Event::SequenceEnd => self.end(&range)?,
            _ => {}
        }
        self.last_end = range.end;
        Ok(())
    }

    fn alias(&mut self, anchor: usize, range: &Range<usize>) -> Result<(), ParseError> {
        if self.open_anchors.contains(&anchor) {
            let what = "an alias stands inside the node that it refers to";
            return Err(ParseError::at(self.text, range.start, what));
        }
        self.add(Node { range: range.clone(), properties: None, content: Content::Alias(anchor) })
    }

    fn comment(&mut self, comment: Comment<'i>, column: usize) {
        self.first_comment.get_or_insert(comment.range.start);
        self.comments.push(PendingComment { comment, column });
    }

    fn document_start(&mut self, explicit: bool, start: usize) {
        if explicit {
            if let Some(previous) = self.documents.back_mut().filter(|_| self.unfinished) {
                previous.range.end = start;
            }
            self.first_comment = None;
        }
        self.unfinished = false;
    }

    fn document_end(&mut self, range: &Range<usize>) {
        let Some(root) = self.root.take() else { return };
        let start =
            self.first_comment.take().map_or(root.whole().start, |comment| comment.min(root.whole().start));
        // An explicit end is the `...` itself, an implicit one is empty and lies before the comments that follow.
        self.unfinished = range.is_empty();
        let end = if self.unfinished { self.part.end } else { range.start };
        self.documents.push_back(Document { root, range: start..end, lines: None });
        self.comments.clear();
    }

    /// Opens a collection and gives it the comments that stand before its first entry, but inside.
    fn start(
        &mut self,
        children: Children<'i>,
        style: StructureStyle,
        span: &Span,
        properties: Option<Box<Properties>>,
    ) {
        let mut start = self.bytes(span).start;
        let mut column = (style == StructureStyle::Block).then(|| span.start.col());
        if let Some((dash, its_column)) = self.indentless(start, column, &children) {
            start = dash;
            column = Some(its_column);
        }
        // Behind the first dash of a list, a comment is about the item.
        let behind = self.comments.iter().position(|pending| pending.comment.range.start > start);
        let behind = self.comments.split_off(behind.unwrap_or(self.comments.len()));
        let comments = column.map_or_else(Vec::new, |column| {
            let outside = self.comments.iter().rposition(|pending| pending.column < column);
            let inside = self.comments.split_off(outside.map_or(0, |last| last + 1));
            inside.into_iter().map(|pending| pending.comment).collect()
        });
        self.flush_comments();
        self.comments = behind;
        self.open_anchors.extend(properties.as_ref().and_then(|properties| properties.anchor));
        self.open.push(Open { start, properties, children, comments, column });
    }

    /// The place and column of the first `-` of a block list that stands in the column of the mapping that holds it, where
    /// this is one: the parser gives such a list the place behind the `-`, and behind a comment on its line.
    fn indentless(&self, start: usize, column: Option<usize>, children: &Children) -> Option<(usize, usize)> {
        column?;
        let column = match (self.open.last()?, children) {
            (Open { column, children: Children::Mapping { .. }, .. }, Children::Sequence { .. }) => {
                (*column)?
            }
            _ => return None,
        };
        let comment = self.comments.last().map(|pending| &pending.comment.range);
        let start = comment.filter(|comment| comment.end == start).map_or(start, |comment| comment.start);
        let before = self.text.get(..start)?.trim_end_matches([' ', '\t']).strip_suffix('-')?;
        let line_start = before.rfind(['\n', '\r']).map_or(0, |newline| newline + 1);
        let indent = before.get(line_start..)?;
        (indent.len() == column && is_blank(indent)).then_some((before.len(), column))
    }

    /// Closes the innermost collection. Of the comments before its end, those further to the left belong further out.
    fn end(&mut self, range: &Range<usize>) -> Result<(), ParseError> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        let inside = open.column.map_or(self.comments.len(), |column| {
            // A list may stand in the very column of the mapping that holds it; a comment there is the mapping's.
            let indentless = self.open.last().is_some_and(|parent| parent.column == Some(column));
            let outside = |pending: &PendingComment| pending.column < column + usize::from(indentless);
            self.comments.iter().position(outside).unwrap_or(self.comments.len())
        });
        open.comments.extend(self.comments.drain(..inside).map(|pending| pending.comment));
        if let Some(anchor) = open.properties.as_ref().and_then(|properties| properties.anchor) {
            self.open_anchors.remove(&anchor);
        }
        // `[a: b]` holds a mapping in flow style without braces.
        let bracket = matches!(self.text.as_bytes().get(open.start), Some(b'{' | b'['));
        let bracket_end = (open.column.is_none() && bracket).then_some(range.end);
        let node = self.close(open, bracket_end);
        if let Some(twice) = duplicate(node.entries()) {
            let what = "a mapping holds the same key twice";
            return Err(ParseError::at(self.text, twice.key.range.start, what));
        }
        self.add(node)
    }

    /// Makes the node, up to the end of a flow collection's bracket; a block collection ends where its last child does.
    fn close(&mut self, open: Open<'i>, bracket: Option<usize>) -> Node<'i> {
        let Open { start, properties, children, comments, column } = open;
        let (flow, comments) = (column.is_none(), comments.into_boxed_slice());
        let (content, last) = match children {
            Children::Mapping { first, .. } => {
                let entries: Box<[_]> = self.entries.drain(first..).collect();
                let last = entries.last().map(|entry| entry.value.range.end);
                (Content::Mapping { entries, comments, flow }, last)
            }
            Children::Sequence { first } => {
                let items: Box<[_]> = self.items.drain(first..).collect();
                let last = items.last().map(|item| item.range.end);
                (Content::Sequence { items, comments, flow }, last)
            }
        };
        Node { range: start..bracket.or(last).unwrap_or(start), properties, content }
    }

    /// Gives the comments that stand before an entry to the collection that the entry is in.
    fn flush_comments(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.comments.extend(self.comments.drain(..).map(|pending| pending.comment));
        }
    }

    /// Puts a complete node where it belongs.
    fn add(&mut self, node: Node<'i>) -> Result<(), ParseError> {
        if !matches!(node.content, Content::Mapping { .. } | Content::Sequence { .. }) {
            self.flush_comments();
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.children {
            Children::Sequence { .. } => self.items.push(node),
            Children::Mapping { key, .. } => match key.take() {
                Some(key) => self.entries.push(Entry { key, value: node }),
                None if node.text().is_some() => *key = Some(node),
                None => return Err(ParseError::at(self.text, node.range.start, "a key is not a scalar")),
            },
        }
        Ok(())
    }

    fn scalar(
        &self,
        mut text: Cow<'i, str>,
        style: granit_parser::ScalarStyle,
        mut range: Range<usize>,
        properties: Option<Box<Properties>>,
    ) -> Node<'i> {
        let before = properties.as_ref().and_then(|properties| properties.range.as_ref());
        let properties_end = before.map_or(0, |range| range.end);
        let style = match style {
            granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
            granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::SingleQuoted,
            granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::DoubleQuoted,
            granit_parser::ScalarStyle::Literal => ScalarStyle::Literal,
            granit_parser::ScalarStyle::Folded => ScalarStyle::Folded,
        };
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                range = self.block_scalar_range(&range, self.last_end.max(properties_end));
            }
            ScalarStyle::Plain if self.is_empty(&text, &range) => {
                text = Cow::Borrowed("");
                let place = self.empty_value_place(range.start).max(properties_end);
                range = place..place;
            }
            _ => {}
        }
        Node { range, properties, content: Content::Scalar { text, style } }
    }

    /// What stands before a node. The parser tells an anchor's place in an event of its own, right behind the node's.
    fn properties(
        &self,
        span: &Span,
        anchor: usize,
        tag: Option<Cow<'i, Tag>>,
        events: &mut Events<'i>,
    ) -> Result<Option<Box<Properties>>, ParseError> {
        if anchor == 0 && tag.is_none() {
            return Ok(None);
        }
        let mut range = span.tag_span().map(|span| self.bytes(&span));
        if anchor != 0
            && let Some(event) = events.next_event()
        {
            let anchor = self.bytes(&event?.1);
            range = Some(match range {
                Some(tag) => tag.start.min(anchor.start)..tag.end.max(anchor.end),
                None => anchor,
            });
        }
        let anchor = (anchor != 0).then_some(anchor);
        Ok(Some(Box::new(Properties { anchor, tag: tag.map(|tag| tag.to_string()), range })))
    }

    /// Whether a plain scalar is not written at all: the parser gives it the text of `~`, and often the place of an
    /// indicator.
    fn is_empty(&self, text: &str, range: &Range<usize>) -> bool {
        text.is_empty() || (text == "~" && self.text.get(range.clone()) != Some("~"))
    }

    /// Behind the indicator of an entry, where that is the place that the parser gives an empty value.
    fn empty_value_place(&self, place: usize) -> usize {
        let Some(open) = self.open.last() else { return place };
        match (self.text.as_bytes().get(place), &open.children) {
            (Some(b':'), Children::Mapping { key: Some(_), .. }) => place + 1,
            (Some(b'-'), Children::Sequence { .. }) if open.column.is_some() => place + 1,
            _ => place,
        }
    }

    /// From the `|` or `>` of a block scalar, which stands somewhere behind `from`, to the end of its last line that
    /// is not blank.
    fn block_scalar_range(&self, content: &Range<usize>, from: usize) -> Range<usize> {
        let start = self.header(from).unwrap_or(content.start);
        let mut end = content.end;
        loop {
            let body = self.text.get(start..end).unwrap_or_default();
            match body.rfind('\n') {
                Some(newline) if is_blank(body.get(newline..).unwrap_or_default()) => {
                    let ends_in_cr = body.get(..newline).is_some_and(|line| line.ends_with('\r'));
                    end = start + newline - usize::from(ends_in_cr);
                }
                _ => return start..end,
            }
        }
    }

    /// The `|` or `>` that comes next, behind indicators, white space and comments.
    fn header(&self, from: usize) -> Option<usize> {
        let mut in_comment = false;
        for (offset, byte) in self.text.as_bytes().get(from..)?.iter().enumerate() {
            match byte {
                b'\n' | b'\r' => in_comment = false,
                _ if in_comment => {}
                b'#' => in_comment = true,
                // Dots end a document; the last three are a byte-order mark's.
                b' ' | b'\t' | b':' | b'-' | b'?' | b'.' | 0xef | 0xbb | 0xbf => {}
                b'|' | b'>' => return Some(from + offset),
                _ => return None,
            }
        }
        None
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests;
