//! Strings to YAML scalars, such that every reader gets back exactly the string.
//!
//! Readers disagree about plain scalars: YAML 1.1 ones (`PyYAML`, sigs.k8s.io/yaml, which Kubernetes uses) read `yes` as
//! true, `0777` as 511, `12:30:45` as 45045 and `=` as a value of its own, YAML 1.2 ones do not, and Go's yaml.v3 does
//! half of it. So a string is written plain only where none of them could see anything else in it.

use zeroize::Zeroizing;

/// Columns between a block scalar's content and what holds it.
const BLOCK_INDENT: usize = 2;

/// The longest key that is written plain. Far below YAML's limit of 1024 for a key without `? `.
const LONGEST_PLAIN_KEY: usize = 128;

/// What may stand in a plain scalar, behind its first character, besides letters and digits; and `:` in some places.
const PLAIN_PUNCTUATION: &[u8] = b" _-./+=@~^$();%";

/// Words that some reader takes for a null, a boolean or a number, in lower case.
const RESERVED_WORDS: &[&str] =
    &["null", "none", "nil", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "infinity", "nan"];

/// What stands behind a scalar, up to the next key or item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// The end of its line, and then no blank line: any block scalar can stand there.
    LineEnd,
    /// The end of its line and blank lines, which a block scalar that keeps its trailing newlines would take in.
    BlankLines,
    /// Something that any block scalar would take in: a comment on its line or further in on a line of its own, trailing
    /// spaces, or the end of the text without a newline.
    Anything,
}

/// Where a scalar is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whether it is inside brackets or braces.
    pub flow: bool,
    /// The column, from zero, of the block mapping or list that holds it.
    pub parent_indent: usize,
    /// Whether the document is JSON: always double-quoted.
    pub json: bool,
    /// The document's line break, `\n` or `\r\n`.
    pub newline: &'static str,
    /// Whether it is a mapping's key.
    pub key: bool,
    /// What follows.
    pub behind: Behind,
}

/// Text that every YAML 1.1 and 1.2 reader (libyaml, `PyYAML`, yaml.v2, yaml.v3, sigs.k8s.io/yaml; JSON readers, too, where
/// the place is JSON) reads as exactly this string. It has no line break at its end.
#[must_use]
pub fn string(text: &str, place: &Place) -> Zeroizing<String> {
    if is_plain(text, place) {
        return Zeroizing::new(text.to_owned());
    }
    match Chomping::of_block(text, place) {
        Some(chomping) => exact(|sink| literal(text, chomping, place, sink)),
        None => exact(|sink| double_quoted(text, sink)),
    }
}

/// Puts together what a writer writes. The writer runs twice, first to learn the size: a string that grows would leave
/// copies of its text behind in memory.
pub(crate) fn exact(write: impl Fn(&mut dyn FnMut(&str))) -> Zeroizing<String> {
    let mut size = 0;
    write(&mut |piece| size += piece.len());
    let mut text = Zeroizing::new(String::with_capacity(size));
    write(&mut |piece| text.push_str(piece));
    text
}

/// Whether the string can stand without quotes: a letter or slash first, then characters that are no indicator anywhere,
/// and no word that means something else.
fn is_plain(text: &str, place: &Place) -> bool {
    let bytes = text.as_bytes();
    if place.json || (place.key && text.len() > LONGEST_PLAIN_KEY) {
        return false;
    }
    let starts_well = bytes.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'/');
    let ends_well = bytes.last().is_some_and(|last| !matches!(last, b' ' | b':'));
    let safe = |(byte, next): (&u8, &u8)| match byte {
        // `key: value` within a scalar, and old readers within braces.
        b':' => !place.flow && !place.key && *next != b' ',
        _ => byte.is_ascii_alphanumeric() || PLAIN_PUNCTUATION.contains(byte),
    };
    let all_safe = bytes.iter().zip(bytes.iter().skip(1).chain(Some(&b' '))).all(safe);
    let reserved = RESERVED_WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    starts_well && ends_well && all_safe && !reserved
}

/// What a block scalar does with the newlines at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chomping {
    /// `|-`: there is none.
    Strip,
    /// `|`: there is one.
    Clip,
    /// `|+`: there are several.
    Keep,
}

impl Chomping {
    /// How to write the string as a literal block; none where it can't, or need not be.
    fn of_block(text: &str, place: &Place) -> Option<Self> {
        if place.json || place.flow || place.key || place.behind == Behind::Anything || !text.contains('\n') {
            return None;
        }
        let body = text.trim_end_matches('\n');
        // A line of spaces could be taken for indentation.
        let fits = |line: &str| line.is_empty() || !line.bytes().all(|byte| byte == b' ');
        if body.is_empty()
            || !body.split('\n').all(fits)
            || !body.chars().all(|c| c == '\n' || is_printable(c))
        {
            return None;
        }
        match text.len() - body.len() {
            0 => Some(Self::Strip),
            1 => Some(Self::Clip),
            _ if place.behind == Behind::LineEnd => Some(Self::Keep),
            _ => None,
        }
    }
}

/// Whether every reader takes the character as it is, in quotes and in blocks. The exceptions are control characters, what
/// YAML 1.1 takes for line breaks, byte-order marks, and what Unicode says is no character.
pub(crate) fn is_printable(c: char) -> bool {
    !(c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
}

fn literal(text: &str, chomping: Chomping, place: &Place, sink: &mut dyn FnMut(&str)) {
    let body = text.trim_end_matches('\n');
    let trailing = text.len() - body.len();
    sink("|");
    // A reader takes the indentation from the first line that is not empty.
    if body.trim_start_matches('\n').starts_with(' ') {
        sink("2");
    }
    sink(match chomping {
        Chomping::Strip => "-",
        Chomping::Clip => "",
        Chomping::Keep => "+",
    });
    for line in body.split('\n') {
        sink(place.newline);
        if !line.is_empty() {
            (0..place.parent_indent + BLOCK_INDENT).for_each(|_| sink(" "));
            sink(line);
        }
    }
    // The last newline is the one that stands behind the scalar already.
    (1..trailing).for_each(|_| sink(place.newline));
}

/// In double quotes, with no escape but those that JSON has, too.
fn double_quoted(text: &str, sink: &mut dyn FnMut(&str)) {
    sink("\"");
    let mut rest = text;
    while let Some(special) = rest.find(|c: char| matches!(c, '"' | '\\') || !is_printable(c)) {
        let (before, from) = rest.split_at(special);
        sink(before);
        let mut characters = from.chars();
        match characters.next() {
            Some('"') => sink("\\\""),
            Some('\\') => sink("\\\\"),
            Some('\n') => sink("\\n"),
            Some('\r') => sink("\\r"),
            Some('\t') => sink("\\t"),
            // None of them is beyond the basic plane.
            Some(other) => unicode_escape(u32::from(other), sink),
            None => {}
        }
        rest = characters.as_str();
    }
    sink(rest);
    sink("\"");
}

/// `\uXXXX`
fn unicode_escape(code: u32, sink: &mut dyn FnMut(&str)) {
    const DIGITS: &str = "0123456789abcdef";
    sink("\\u");
    for shift in [12, 8, 4, 0] {
        let digit = (code >> shift) as usize & 0xf;
        sink(DIGITS.get(digit..=digit).unwrap_or_default());
    }
}

#[cfg(test)]
pub(crate) mod tests;
