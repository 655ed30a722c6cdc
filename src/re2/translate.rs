//! The parser of Go's grammar, which spells each part out for the `regex` crate as soon as it has read it.

use super::class;

/// How deep groups may nest. The `regex` crate compiles recursively, so the stack is what bounds it.
pub(super) const MAX_DEPTH: u32 = 50;

/// The most that a repetition, times those it stands in, may count (`repeatIsValid` in Go's `regexp/syntax`).
const MAX_REPEAT: u32 = 1000;

/// The flags that change what a pattern matches. Go's `U` only changes which of several matches is found.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    /// `i`
    pub(super) fold_case: bool,
    /// `m`
    multi_line: bool,
    /// `s`
    dot_matches_newline: bool,
}

/// One element of a sequence: what a repetition operator behind it applies to.
struct Item {
    /// The element in the `regex` crate's syntax, so that it can be put beside others.
    text: String,
    /// The greatest product of repetition counts inside it, at least 1.
    repeats: u32,
}

/// An open group, or the whole pattern.
struct Group {
    /// The flags to go back to at its end.
    outer: Flags,
    /// Its finished alternatives, each followed by `|`.
    alternatives: String,
    /// The greatest `repeats` of the finished alternatives.
    repeats: u32,
    /// The alternative being read.
    items: Vec<Item>,
}

impl Group {
    fn new(outer: Flags) -> Self {
        Self { outer, alternatives: String::new(), repeats: 1, items: Vec::new() }
    }

    /// Ends the alternative being read.
    fn end_alternative(&mut self) {
        for item in self.items.drain(..) {
            self.alternatives.push_str(&item.text);
            self.repeats = self.repeats.max(item.repeats);
        }
    }
}

struct Parser<'p> {
    rest: &'p str,
    flags: Flags,
    /// The open groups, the innermost last.
    outer: Vec<Group>,
    /// The innermost group.
    group: Group,
}

/// Spells a pattern of Go's dialect out in the `regex` crate's.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut parser = Parser {
        rest: pattern,
        flags: Flags::default(),
        outer: Vec::new(),
        group: Group::new(Flags::default()),
    };
    let mut after_repetition = false;
    while let Some(c) = parser.rest.chars().next() {
        after_repetition = parser.token(c, after_repetition)?;
    }
    if !parser.outer.is_empty() {
        return Err(String::from("missing closing )"));
    }
    parser.group.end_alternative();
    Ok(parser.group.alternatives)
}

impl<'p> Parser<'p> {
    /// Reads one token, which begins with `c`. Says whether it was a repetition operator.
    fn token(&mut self, c: char, after_repetition: bool) -> Result<bool, String> {
        match c {
            '*' | '+' | '?' => {
                let operator = self.take(1);
                self.repeat(operator, 1, after_repetition)?;
                return Ok(true);
            }
            '{' => {
                if let Some(count) = Count::read(self.rest) {
                    let operator = self.take(count.length);
                    self.repeat(operator, count.factor(operator)?, after_repetition)?;
                    return Ok(true);
                }
                self.take(1);
                self.literal('{');
            }
            '(' if self.rest.starts_with("(?") => self.flags_or_group()?,
            '(' => {
                self.take(1);
                self.open()?;
            }
            ')' => self.close()?,
            '|' => {
                self.take(1);
                self.group.end_alternative();
                self.group.alternatives.push('|');
            }
            '^' => {
                self.take(1);
                self.push(if self.flags.multi_line { "(?m:^)" } else { r"\A" });
            }
            '$' => {
                self.take(1);
                self.push(if self.flags.multi_line { "(?m:$)" } else { r"\z" });
            }
            '.' => {
                self.take(1);
                self.push(if self.flags.dot_matches_newline { "(?s:.)" } else { r"[^\n]" });
            }
            '[' => {
                let (class, length) = class::bracketed(self.rest, self.flags.fold_case)?;
                self.take(length);
                self.push(class);
            }
            '\\' => self.escape()?,
            c => {
                self.take(c.len_utf8());
                self.literal(c);
            }
        }
        Ok(false)
    }

    /// Steps over the next `length` bytes and gives them.
    fn take(&mut self, length: usize) -> &'p str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn push(&mut self, text: impl Into<String>) {
        self.group.items.push(Item { text: text.into(), repeats: 1 });
    }

    fn literal(&mut self, c: char) {
        let mut text = String::new();
        class::push_char(&mut text, c);
        self.push(if self.flags.fold_case { format!("(?i:{text})") } else { text });
    }

    /// Applies a repetition operator to the element before it. Go refuses one directly behind another.
    fn repeat(&mut self, operator: &str, factor: u32, after_repetition: bool) -> Result<(), String> {
        if self.rest.starts_with('?') {
            self.take(1); // a lazy one, which matches the same texts
        }
        if after_repetition {
            return Err(format!("invalid nested repetition operator: `{operator}`"));
        }
        let Some(item) = self.group.items.last_mut() else {
            return Err(format!("missing argument to repetition operator: `{operator}`"));
        };
        // `{0}` leaves nothing of what it repeats, counts included.
        item.repeats = if factor == 0 { 1 } else { item.repeats.saturating_mul(factor) };
        if item.repeats > MAX_REPEAT && factor > 1 {
            return Err(format!("invalid repeat count: `{operator}`"));
        }
        item.text = format!("(?:{}){operator}", item.text);
        Ok(())
    }

    fn open(&mut self) -> Result<(), String> {
        if self.outer.len() >= MAX_DEPTH as usize {
            return Err(String::from("expression nests too deeply"));
        }
        self.outer.push(std::mem::replace(&mut self.group, Group::new(self.flags)));
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        self.take(1);
        let Some(outer) = self.outer.pop() else {
            return Err(String::from("unexpected )"));
        };
        let mut group = std::mem::replace(&mut self.group, outer);
        group.end_alternative();
        self.flags = group.outer;
        self.group.items.push(Item { text: format!("(?:{})", group.alternatives), repeats: group.repeats });
        Ok(())
    }

    /// Reads what begins with `(?`: a named group, a group with flags, or flags for the rest of the group.
    fn flags_or_group(&mut self) -> Result<(), String> {
        let start = self.rest;
        if let Some(name) = start.strip_prefix("(?P<").or_else(|| start.strip_prefix("(?<")) {
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = name.find('>').filter(|end| *end > 0 && name.chars().take(*end).all(valid));
            let Some(end) = end else {
                return Err(format!("invalid named capture: `{start}`"));
            };
            self.take(start.len() - name.len() + end + 1);
            return self.open();
        }
        let (mut flags, mut on, mut seen) = (self.flags, true, true);
        for (position, c) in start.char_indices().skip(2) {
            match c {
                'i' => flags.fold_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_matches_newline = on,
                'U' => {}
                '-' if on => on = false,
                ':' | ')' if seen => {
                    self.take(position + 1);
                    if c == ':' {
                        self.open()?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            seen = c != '-';
        }
        Err(format!("invalid or unsupported Perl syntax: `{start}`"))
    }

    /// Reads what begins with a backslash.
    fn escape(&mut self) -> Result<(), String> {
        match self.rest.get(1..2) {
            Some("A") => self.push(r"\A"),
            Some("z") => self.push(r"\z"),
            Some("b") => self.push(r"(?-u:\b)"),
            Some("B") => self.push(r"(?-u:\B)"),
            Some("C") => return Err(r"invalid escape sequence: `\C`".into()),
            Some("Q") => {
                self.take(2);
                let quoted = self.rest.find(r"\E");
                for c in self.take(quoted.unwrap_or(self.rest.len())).chars() {
                    self.literal(c);
                }
                self.take(2); // the `\E`, if there is one
                return Ok(());
            }
            _ => {
                if let Some((text, length)) = class::group(self.rest)? {
                    self.take(length);
                    self.push(if self.flags.fold_case { format!("(?i:{text})") } else { text });
                } else {
                    let (code, length) = class::escaped_char(self.rest)?;
                    self.take(length);
                    match char::from_u32(code) {
                        Some(c) => self.literal(c),
                        None => self.push(class::NOTHING), // a surrogate, which no text holds
                    }
                }
                return Ok(());
            }
        }
        self.take(2);
        Ok(())
    }
}

/// A `{n}`, `{n,}` or `{n,m}`.
struct Count {
    least: Option<u32>,
    most: Option<u32>,
    /// Whether it has no upper bound.
    open: bool,
    /// Its length in bytes.
    length: usize,
}

impl Count {
    /// Reads a count at the beginning of `text`; `None` where Go takes the brace for a character.
    fn read(text: &str) -> Option<Self> {
        let (inner, _) = text.strip_prefix('{')?.split_once('}')?;
        let (least, most) = match inner.split_once(',') {
            None => (inner, inner),
            Some((least, most)) => (least, most),
        };
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            (plain && (digits.len() == 1 || !digits.starts_with('0'))).then(|| digits.parse().ok())
        };
        let open = most.is_empty();
        Some(Self {
            least: number(least)?,
            most: if open { None } else { number(most)? },
            open,
            length: inner.len() + 2,
        })
    }

    /// How often the automaton repeats what the count applies to.
    fn factor(&self, operator: &str) -> Result<u32, String> {
        let factor = match (self.least, self.most) {
            (Some(least), _) if self.open => Some(least.max(1)),
            (Some(least), Some(most)) if least <= most => Some(most),
            _ => None,
        };
        factor
            .filter(|factor| *factor <= MAX_REPEAT)
            .ok_or_else(|| format!("invalid repeat count: `{operator}`"))
    }
}
