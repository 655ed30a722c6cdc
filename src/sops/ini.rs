//! INI files as SOPS writes them, by way of gopkg.in/ini.v1 (v1.67, which sops 3.13 calls).
//!
//! That library reads far more than it writes: continued lines, inline comments, keys that count themselves. Only the forms
//! that it writes are read here; a file in any other form was not written by sops, and is refused.

use std::borrow::Cow;

use super::scalar::Scalar;
use super::tree::{Entries, Tree};
use crate::diagnostics::{Code, Problem};

/// The section of keys that stand before any header.
pub(super) const DEFAULT: &str = "DEFAULT";

/// A section; the default one is always the first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Section<'t> {
    pub(super) name: &'t str,
    pub(super) comment: Option<String>,
    pub(super) keys: Vec<Key<'t>>,
}

/// A key of a section.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key<'t> {
    pub(super) name: &'t str,
    pub(super) value: &'t str,
    pub(super) comment: Option<String>,
}

/// Sections as a tree of two levels.
pub(super) fn tree_of(sections: &[Section<'_>]) -> Entries {
    let text = |text: &str| Tree::Scalar(Scalar::Text(Cow::Owned(text.as_bytes().to_vec())));
    let entry = |key: &Key<'_>| (key.name.to_owned(), text(key.value));
    let section = |section: &Section<'_>| {
        (section.name.to_owned(), Tree::Map(section.keys.iter().map(entry).collect()))
    };
    sections.iter().map(section).collect()
}

/// Metadata with their newlines, which SOPS escapes in INI files alone.
pub(super) fn unescaped(entries: Entries) -> Entries {
    let unescape = |value| match value {
        Tree::Scalar(Scalar::Text(bytes)) => {
            let text = String::from_utf8_lossy(&bytes).replace("\\n", "\n");
            Tree::Scalar(Scalar::Text(Cow::Owned(text.into_bytes())))
        }
        other => other,
    };
    entries.into_iter().map(|(key, value)| (key, unescape(value))).collect()
}

/// Reads a file.
///
/// # Errors
/// `bad-metadata`: it holds a form that sops does not write.
pub(super) fn parse(text: &str) -> Result<Vec<Section<'_>>, Problem> {
    let mut reader = Reader { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0, line: 0 };
    let mut sections = vec![Section { name: DEFAULT, ..Section::default() }];
    let mut comment = String::new();
    while let Some(line) = reader.next_line() {
        let line = line.trim_start();
        if line.is_empty() {
            continue;
        }
        if line.starts_with(['#', ';']) {
            comment.push_str(line);
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let (name, behind) = header.rsplit_once(']').ok_or_else(|| reader.refuse("an open header"))?;
            if name.is_empty() || !behind.trim().is_empty() {
                return Err(reader.refuse("a header without a name, or with something behind it"));
            }
            sections.push(Section { name, comment: stripped(&mut comment), keys: Vec::new() });
            continue;
        }
        let (name, value) = reader.key_and_value(line)?;
        let Some(section) = sections.last_mut() else { break };
        if section.keys.iter().any(|key| key.name == name) {
            return Err(reader.refuse("a key that is there twice"));
        }
        section.keys.push(Key { name, value, comment: stripped(&mut comment) });
    }
    Ok(sections)
}

/// A comment without its first mark, as SOPS keeps it; further lines keep theirs.
fn stripped(comment: &mut String) -> Option<String> {
    let taken = std::mem::take(comment);
    let text = taken.trim();
    let marks: &[char] = if text.starts_with(';') { &[';', ' '] } else { &['#', ' '] };
    (!text.is_empty()).then(|| text.trim_start_matches(marks).to_owned())
}

struct Reader<'t> {
    text: &'t str,
    /// Where the next line starts.
    at: usize,
    /// The number of the last line that was read.
    line: usize,
}

impl<'t> Reader<'t> {
    /// The next line with its line break.
    fn next_line(&mut self) -> Option<&'t str> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split_inclusive('\n').next()?;
        self.at += line.len();
        self.line += 1;
        Some(line)
    }

    fn key_and_value(&mut self, line: &'t str) -> Result<(&'t str, &'t str), Problem> {
        let quote = ["\"\"\"", "`"].into_iter().find(|quote| line.starts_with(quote));
        let (name, behind) = if let Some(quote) = quote {
            let inside = line.strip_prefix(quote).and_then(|inside| inside.split_once(quote));
            let (name, behind) = inside.ok_or_else(|| self.refuse("a key with an open quote"))?;
            (name, behind.trim_start())
        } else {
            let delimiter = line.find(['=', ':']).ok_or_else(|| self.refuse("a line without `=`"))?;
            line.split_at(delimiter)
        };
        let value = behind.strip_prefix(['=', ':']).ok_or_else(|| self.refuse("a key without `=`"))?;
        let name = name.trim();
        if name.is_empty() || name == "-" || (quote.is_none() && name.starts_with('"')) {
            return Err(self.refuse("a key that sops does not write"));
        }
        Ok((name, self.value(value.trim_start())?))
    }

    fn value(&mut self, value: &'t str) -> Result<&'t str, Problem> {
        if let Some(inside) = value.strip_prefix("\"\"\"") {
            return self.quoted(inside, "\"\"\"");
        }
        if let Some(inside) = value.strip_prefix('`') {
            return self.quoted(inside, "`");
        }
        let value = value.trim();
        if value.ends_with('\\') || value.contains(['#', ';']) {
            return Err(self.refuse("a continued line or an inline comment"));
        }
        let surrounded = ['"', '\''].into_iter().find_map(|quote| {
            value.strip_prefix(quote)?.strip_suffix(quote).filter(|inside| !inside.contains(quote))
        });
        Ok(surrounded.unwrap_or(value))
    }

    /// A value in quotes, which may go on for several lines; `inside` is its first line, behind the opening quote.
    fn quoted(&mut self, inside: &'t str, quote: &str) -> Result<&'t str, Problem> {
        let start = self.at - inside.len();
        let mut line = inside;
        loop {
            if let Some((before, behind)) = line.rsplit_once(quote) {
                let end = self.at - line.len() + before.len();
                let value = self.text.get(start..end).filter(|_| behind.trim().is_empty());
                return value.ok_or_else(|| self.refuse("something behind a quoted value"));
            }
            line = self.next_line().ok_or_else(|| self.refuse("a value with an open quote"))?;
        }
    }

    fn refuse(&self, what: &str) -> Problem {
        Problem::new(Code::BadMetadata, "the file is no INI file that sops wrote")
            .because(format!("line {} holds {what}", self.line))
            .help("restore the file from version control")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_writes() {
        let text = "\
; of the default\ntop = 1\n\n; of a\n; section\n[a b]\n`k:ey` = `x;y`\n\"\"\"b`k\"\"\" = \"\"\"l1\n  l2\n\"\"\"\n# of c\nc     = \" s \"\nd     =  \n";
        let sections = parse(text).unwrap();
        let shown: Vec<String> = sections
            .iter()
            .flat_map(|section| {
                let head = format!("[{}] {:?}", section.name, section.comment);
                let key = |key: &Key<'_>| format!("{}={:?} {:?}", key.name, key.value, key.comment);
                std::iter::once(head).chain(section.keys.iter().map(key)).collect::<Vec<_>>()
            })
            .collect();
        let expected = [
            "[DEFAULT] None",
            r#"top="1" Some("of the default")"#,
            r#"[a b] Some("of a\n; section")"#,
            r#"k:ey="x;y" None"#,
            r#"b`k="l1\n  l2\n" None"#,
            r#"c=" s " Some("of c")"#,
            r#"d="" None"#,
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_it_only_reads_is_refused_and_not_shown() {
        for text in [
            "a = hunter2 ; comment",
            "a = hunter2\\\nb",
            "hunter2",
            "[hunter2",
            "[]\n",
            "- = hunter2",
            "\"a\" = hunter2",
            "a=1\na=hunter2",
            "a = `hunter2",
            "a = `x` hunter2",
            "`a = hunter2",
            "`a` hunter2",
            "[a] ; hunter2",
        ] {
            let problem = parse(text).unwrap_err();
            assert_eq!(problem.code, Code::BadMetadata, "{text}");
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
    }
}
