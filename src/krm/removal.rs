//! Which bytes go when entries are removed from a mapping, so that what stays is valid and otherwise untouched.

use std::ops::Range;

use super::{column, line_start, next_line};
use crate::yaml::{Content, Entry, Node};

/// Bytes that go, and what takes their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) range: Range<usize>,
    /// Nothing, or `{}` where no entry stays.
    pub(super) instead: &'static str,
}

impl From<Range<usize>> for Cut {
    fn from(range: Range<usize>) -> Self {
        Self { range, instead: "" }
    }
}

/// The bytes of the entries whose key is to be removed. With a block entry go its whole lines, and the comments that are
/// indented as parts of it; with a flow entry, the right comma.
pub(super) fn plan(text: &str, mapping: &Node, remove: impl Fn(&str) -> bool) -> Vec<Cut> {
    let Content::Mapping { entries, flow, .. } = &mapping.content else { return Vec::new() };
    let goes = |entry: &Entry| entry.key.text().is_some_and(&remove);
    if !entries.iter().any(goes) {
        return Vec::new();
    }
    if entries.iter().all(goes) {
        return vec![Cut { range: mapping.range.clone(), instead: "{}" }];
    }
    let entries = Entries { text, all: entries, start: mapping.range.start };
    if *flow { entries.plan_flow(goes) } else { entries.plan_block(goes, column(text, mapping.range.start)) }
}

struct Entries<'t, 'n, 'i> {
    text: &'t str,
    all: &'n [Entry<'i>],
    /// Where the mapping starts.
    start: usize,
}

impl<'i> Entries<'_, '_, 'i> {
    fn plan_block(&self, goes: impl Fn(&Entry<'i>) -> bool, column: usize) -> Vec<Cut> {
        let mut cuts = Vec::new();
        // Whether the entry shares its line with what holds the mapping, as in `- key: value`. What comes after it has to
        // move up to that line.
        let first_line = self.text.get(line_start(self.text, self.start)..self.start).unwrap_or_default();
        let mut shares_line = !first_line.trim().is_empty();
        for (index, entry) in self.all.iter().enumerate() {
            if !goes(entry) {
                shares_line = false;
                continue;
            }
            let start = self.entry_start(index);
            let mut end = self.end_of_lines(entry.value.whole().end, column);
            let kept = self.all.iter().take(index).rfind(|entry| !goes(entry));
            if kept.is_some_and(|kept| kept.value.ends_in_block_scalar()) {
                // It would take in the blank lines behind the entry.
                end = self.end_of_blank_lines(end);
            }
            if shares_line {
                let rest = self.text.get(end..).unwrap_or_default();
                let next = end + (rest.len() - rest.trim_start().len());
                cuts.push(Cut::from(start..next));
                // A comment that moves up is all that the line takes.
                shares_line = !self.text.get(next..).is_some_and(|rest| rest.starts_with('#'));
            } else {
                cuts.push(Cut::from(line_start(self.text, start)..end));
            }
        }
        cuts
    }

    /// The end of the lines of a block entry whose value ends there: behind the comments that are indented further than its
    /// key.
    fn end_of_lines(&self, value_end: usize, column: usize) -> usize {
        let mut end = next_line(self.text, value_end);
        let mut line = end;
        while line < self.text.len() {
            let next = next_line(self.text, line);
            let content = self.text.get(line..next).unwrap_or_default();
            let start = content.trim_start_matches(' ');
            match start.starts_with('#') {
                true if content.len() - start.len() > column => end = next,
                false if start.trim().is_empty() => {}
                _ => break,
            }
            line = next;
        }
        end
    }

    fn end_of_blank_lines(&self, mut end: usize) -> usize {
        while end < self.text.len() {
            let next = next_line(self.text, end);
            if !self.text.get(end..next).is_some_and(|line| line.trim().is_empty()) {
                break;
            }
            end = next;
        }
        end
    }

    fn plan_flow(&self, goes: impl Fn(&Entry<'i>) -> bool) -> Vec<Cut> {
        let last_kept = self.all.iter().rposition(|entry| !goes(entry)).unwrap_or_default();
        let mut cuts = Vec::new();
        for (index, entry) in self.all.iter().enumerate().take(last_kept) {
            if goes(entry) {
                let next = self.entry_start(index + 1);
                let end = self.own_comment(entry.value.whole().end..next).unwrap_or(next);
                cuts.push(Cut::from(self.entry_start(index)..end));
            }
        }
        if let Some(kept) = self.all.get(last_kept).filter(|_| last_kept + 1 < self.all.len()) {
            cuts.extend(self.plan_flow_tail(kept.value.whole().end, self.entry_start(last_kept + 1)));
        }
        cuts
    }

    /// The first comment on a line of its own, behind the comma, between two flow entries: it is about what comes next.
    fn own_comment(&self, gap: Range<usize>) -> Option<usize> {
        let comma = self.find_indicator(',', gap.clone())?;
        let own_lines = comma + self.text.get(comma..gap.end)?.find('\n')?;
        self.text.get(own_lines..gap.end)?.find('#').map(|comment| own_lines + comment)
    }

    /// The bytes of all flow entries from one on, and of the comma behind the last that stays, which ends at `kept_end`.
    fn plan_flow_tail(&self, kept_end: usize, start: usize) -> Vec<Cut> {
        let end = self.all.last().map_or(start, |last| last.value.whole().end);
        let gap = self.text.get(kept_end..start).unwrap_or_default();
        match self.find_indicator(',', kept_end..start) {
            // The comment is about what stays.
            Some(comma) if gap.contains('#') => {
                let spaces = gap.len() - gap.trim_end_matches([' ', '\t']).len();
                vec![Cut::from(comma..comma + 1), Cut::from(start - spaces..end)]
            }
            _ => vec![Cut::from(kept_end..end)],
        }
    }

    /// Where an entry starts: at the `?` of its key where it has one.
    fn entry_start(&self, index: usize) -> usize {
        let Some(entry) = self.all.get(index) else { return self.text.len() };
        let previous = index.checked_sub(1).and_then(|previous| self.all.get(previous));
        let from = previous.map_or(self.start, |previous| previous.value.whole().end);
        let key = entry.key.whole().start;
        self.find_indicator('?', from..key).unwrap_or(key)
    }

    /// Where an indicator stands among white space and comments.
    fn find_indicator(&self, indicator: char, gap: Range<usize>) -> Option<usize> {
        let mut in_comment = false;
        let found = self.text.get(gap.clone())?.char_indices().find(|(_, c)| match c {
            '\n' => {
                in_comment = false;
                false
            }
            '#' => {
                in_comment = true;
                false
            }
            c => !in_comment && *c == indicator,
        });
        found.map(|(offset, _)| gap.start + offset)
    }
}

#[cfg(test)]
mod tests;
