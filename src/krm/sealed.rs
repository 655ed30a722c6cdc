//! What is encrypted in an item, and where it stands.

use std::ops::Range;

use super::item::{Holder, SOPS, Seen, Trail};
use super::{Item, Source, line_start, next_line, removal};
use crate::field_path::FieldPath;
use crate::yaml::Node;
use crate::yaml::emit::{Behind, Place};

/// How every value begins that SOPS encrypted.
const PREFIX: &str = "ENC[AES256_GCM,";

/// An encrypted value of an item.
#[derive(Debug)]
pub struct SealedScalar<'n> {
    /// Where it stands in the item.
    pub path: FieldPath,
    /// The ciphertext, as SOPS wrote it.
    pub text: &'n str,
    /// How a value can be written in its place.
    pub place: Place,
    /// Likewise, once the encrypted comment behind it on its line is gone. `None`: there is none.
    pub place_without_comment: Option<Place>,
    /// Its bytes, without tag and anchor.
    pub(super) range: Range<usize>,
    /// The bytes of its tag, which does not fit the value, and of its anchor, where no alias refers to it.
    pub(super) properties: Vec<Range<usize>>,
}

/// An encrypted comment of an item.
#[derive(Debug)]
pub struct SealedComment<'n> {
    /// The innermost mapping or list around it. Its ciphertext is bound to this path or to one above it, depending on which
    /// tools have moved the comment since.
    pub path: FieldPath,
    /// The ciphertext, as SOPS wrote it.
    pub text: &'n str,
    /// Its bytes, from the `#` on.
    pub(super) range: Range<usize>,
    /// The column of its `#`.
    pub(super) column: usize,
    /// What its line begins with.
    pub(super) indent: &'n str,
    /// Where its line starts, and the value ends that it stands behind; `None` for a comment on a line of its own.
    pub(super) behind: Option<Range<usize>>,
    /// The document's line break.
    pub(super) newline: &'static str,
}

impl<'n> SealedScalar<'n> {
    pub(super) fn all_of(item: &'n Item) -> Vec<Self> {
        let sops =
            item.sops().and_then(|_| removal::plan(item.source.text, &item.node, |key| key == SOPS).pop());
        let sops = sops.map(|cut| cut.range);
        let mut sealed = Vec::new();
        item.walk(&mut |trail, holder, seen| {
            if let Seen::Scalar(node) = seen
                && let Some(text) = node.text().filter(|text| text.starts_with(PREFIX))
            {
                sealed.push(SealedScalar {
                    path: trail.to_path(),
                    text,
                    place: place(item, node, holder, amid_annotations(trail), sops.as_ref()),
                    place_without_comment: place_without_comment(item, node, trail, holder, sops.as_ref()),
                    range: node.range.clone(),
                    properties: properties(&item.source, node),
                });
            }
        });
        sealed
    }
}

impl<'n> SealedComment<'n> {
    pub(super) fn all_of(item: &'n Item) -> Vec<Self> {
        let mut sealed = Vec::new();
        item.walk(&mut |trail, _, seen| {
            if let Seen::Comment(comment) = seen
                && let Some(text) = Some(comment.text.trim()).filter(|text| text.starts_with(PREFIX))
            {
                sealed.push(SealedComment {
                    path: trail.to_path(),
                    text,
                    range: comment.range.clone(),
                    column: super::column(item.source.text, comment.range.start),
                    indent: indent_of(item.source.text, comment.range.start),
                    behind: behind_value(item.source.text, comment.range.start),
                    newline: item.source.newline,
                });
            }
        });
        sealed
    }
}

pub(super) fn place(
    item: &Item,
    node: &Node,
    holder: Holder,
    amid_annotations: bool,
    sops: Option<&Range<usize>>,
) -> Place {
    let Holder { flow, indent } = holder;
    // Other annotations may be removed from around it, so that what is behind it now may not be there later.
    let behind = if flow || amid_annotations {
        Behind::Anything
    } else {
        behind(item.source.text, node.range.end, indent, sops)
    };
    Place { flow, parent_indent: indent, json: item.json, newline: item.source.newline, key: false, behind }
}

fn amid_annotations(trail: &Trail) -> bool {
    trail.keys().next() == Some("metadata")
}

fn place_without_comment(
    item: &Item,
    node: &Node,
    trail: &Trail,
    holder: Holder,
    sops: Option<&Range<usize>>,
) -> Option<Place> {
    let rest = item.source.text.get(node.range.end..)?;
    let line = rest.lines().next()?;
    let comment = line.trim_start().strip_prefix('#')?;
    comment.trim_start().starts_with(PREFIX).then(|| {
        let place = place(item, node, holder, amid_annotations(trail), sops);
        let behind = behind(item.source.text, node.range.end + line.len(), holder.indent, sops);
        Place { behind: if holder.flow { place.behind } else { behind }, ..place }
    })
}

/// The spaces that the line of a place begins with.
fn indent_of(text: &str, place: usize) -> &str {
    let line = text.get(line_start(text, place)..).unwrap_or_default();
    line.get(..line.len() - line.trim_start_matches(' ').len()).unwrap_or_default()
}

/// Where the line of a comment starts and the value ends that it stands behind.
fn behind_value(text: &str, comment: usize) -> Option<Range<usize>> {
    let start = line_start(text, comment);
    let before = text.get(start..comment)?.trim_end();
    (!before.is_empty()).then(|| start..start + before.len())
}

/// What stands behind a scalar that ends there, when the bytes of `removed` are gone.
fn behind(text: &str, end: usize, indent: usize, removed: Option<&Range<usize>>) -> Behind {
    let rest = text.get(end..).unwrap_or_default();
    if !rest.starts_with('\n') && !rest.starts_with("\r\n") {
        return Behind::Anything;
    }
    let mut behind = Behind::LineEnd;
    let mut line = next_line(text, end);
    while line < text.len() {
        if let Some(removed) = removed.filter(|removed| removed.start == line) {
            line = removed.end;
            continue;
        }
        let next = next_line(text, line);
        match text.get(line..next).unwrap_or_default() {
            "\n" | "\r\n" => behind = Behind::BlankLines,
            content => {
                let start = content.trim_start_matches(' ');
                let deeper = content.len() - start.len() > indent;
                let blank = start.trim().is_empty();
                return if blank || (deeper && start.starts_with('#')) { Behind::Anything } else { behind };
            }
        }
        line = next;
    }
    behind
}

/// The bytes of the tag and anchor that go with a scalar when it is replaced, each with the spaces behind it.
pub(super) fn properties(source: &Source, node: &Node) -> Vec<Range<usize>> {
    let keep_anchor = node.anchor().is_some_and(|anchor| source.references.contains_key(&anchor));
    let mut properties = Vec::new();
    let mut rest = source.slice(node.whole().start..node.range.start);
    while let Some(first) = rest.chars().next() {
        let token = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '!' | '&' => rest.find(char::is_whitespace).unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let behind = rest.get(token..).unwrap_or_default();
        let spaces = behind.len() - behind.trim_start_matches([' ', '\t']).len();
        if first == '!' || (first == '&' && !keep_anchor) {
            let start = node.range.start - rest.len();
            properties.push(start..start + token + spaces);
        }
        rest = behind;
    }
    properties
}
