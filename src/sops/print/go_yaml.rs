//! YAML as SOPS prints it: scalars in the style that Go's yaml.v3 chooses (`stringv` in its `encode.go`,
//! `yaml_emitter_analyze_scalar` in its `emitterc.go`).
//!
//! Where what it prints would be read as another string (a block in a list that starts with a space, line separators of
//! Unicode), the string is double-quoted instead.

use zeroize::Zeroizing;

use super::super::scalar::{Rendered, Scalar, yaml_of};
use super::super::tree::{Entries, Tree};
use super::super::value::EncryptedValue;
use super::Reveal;
use crate::diagnostics::Problem;
use crate::field_path::{FieldPath, Step};
use crate::yaml::ScalarStyle;
use crate::yaml::emit::{Behind, exact};

/// How far SOPS indents.
const INDENT: usize = 4;

/// A place in block style, for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// The column, from zero, of the mapping or list that holds it.
    pub parent: usize,
    /// Whether that is a list.
    pub in_list: bool,
    /// How far the file indents.
    pub step: usize,
    /// What follows.
    pub behind: Behind,
}

impl BlockPlace {
    /// The column of a block scalar's lines.
    fn content(self) -> usize {
        if self.in_list { self.parent + 2 } else { self.step * (self.parent / self.step + 1) }
    }
}

/// A string as yaml.v3 writes it: in a block place, or (`None`) where a block cannot stand.
#[must_use]
pub fn string(text: &str, place: Option<BlockPlace>) -> Zeroizing<String> {
    let looks = Looks::of(text);
    if text.contains('\n') {
        return match place.filter(|place| looks.block && fits(text, *place)) {
            Some(place) => literal(text, place),
            None => double_quoted(text),
        };
    }
    let means_a_string =
        matches!(Scalar::of_yaml(text, ScalarStyle::Plain, None), Ok(Scalar::Text(_))) && !is_misread(text);
    // Line breaks other than newlines are written wrongly in single quotes.
    if !means_a_string || text.contains(is_break) {
        double_quoted(text)
    } else if looks.plain {
        Zeroizing::new(text.to_owned())
    } else if looks.single {
        exact(|sink| {
            sink("'");
            for (index, part) in text.split('\'').enumerate() {
                if index > 0 {
                    sink("''");
                }
                sink(part);
            }
            sink("'");
        })
    } else {
        double_quoted(text)
    }
}

/// What yaml.v3 quotes although it would read it as a string itself, since YAML 1.1 would not; and a merge key, which it
/// tags.
fn is_misread(text: &str) -> bool {
    const OLD_BOOLEANS: [&str; 8] = ["y", "Y", "yes", "on", "n", "N", "no", "off"];
    const MORE: [&str; 8] = ["Yes", "YES", "On", "ON", "No", "NO", "Off", "OFF"];
    text == "<<" || OLD_BOOLEANS.contains(&text) || MORE.contains(&text) || is_base_60(text)
}

/// `12:30`, a number in YAML 1.1: digits, then groups below 60, then perhaps a fraction.
fn is_base_60(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut groups = whole.split(':');
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.peekable();
    let below_60 = |group: &str| matches!(group.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && rest.peek().is_some()
        && rest.all(below_60)
        && digits(fraction)
}

/// In which styles a string can be written.
struct Looks {
    plain: bool,
    single: bool,
    block: bool,
}

impl Looks {
    fn of(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let at = |index: usize| characters.get(index).copied();
        let blank = |c: Option<char>| matches!(c, None | Some(' ' | '\t'));
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut tabs, mut break_space, mut space_break) = (false, false, false, false);
        for (index, c) in characters.iter().copied().enumerate() {
            let next = at(index + 1);
            let before = index.checked_sub(1).and_then(at);
            indicators |= match c {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
                | '`'
                    if index == 0 =>
                {
                    true
                }
                '?' | ':' | '-' if index == 0 => blank(next),
                ':' => blank(next),
                '#' => before.is_none_or(|before| blank(Some(before)) || is_break(before)),
                _ => false,
            };
            tabs |= c == '\t';
            special |= c != '\t' && !is_printable(c);
            break_space |= c == ' ' && before.is_some_and(is_break);
            space_break |= is_break(c) && before == Some(' ');
        }
        let edge = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
        let last = characters.last().copied();
        let breaks = characters.iter().copied().any(is_break);
        let single = !(break_space || space_break || tabs || special);
        Self {
            plain: single && !breaks && !edge(at(0)) && !edge(last) && !indicators,
            single,
            block: !(text.is_empty() || space_break || special || last == Some(' ')),
        }
    }
}

/// What yaml.v3 takes for a line break.
fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What yaml.v3 writes as it is: nothing beyond the basic plane.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Whether a block there is read as the string that it was made of.
fn fits(text: &str, place: BlockPlace) -> bool {
    // Its hint is always one step.
    let hinted = text.starts_with([' ', '\n']);
    let hint_is_right = place.content() == place.parent + place.step && place.step < 10;
    let kept = text.ends_with("\n\n") || text == "\n";
    let may_stand = match place.behind {
        Behind::LineEnd => true,
        Behind::BlankLines => !kept,
        Behind::Anything => false,
    };
    may_stand && (!hinted || hint_is_right) && !text.chars().any(|c| is_break(c) && c != '\n')
}

fn literal(text: &str, place: BlockPlace) -> Zeroizing<String> {
    let indent = " ".repeat(place.content());
    let hint = if text.starts_with([' ', '\n']) { place.step.to_string() } else { String::new() };
    let (body, chomping) = match text.strip_suffix('\n') {
        None => (text, "-"),
        Some(body) if body.is_empty() || body.ends_with('\n') => (body, "+"),
        Some(body) => (body, ""),
    };
    exact(|sink| {
        sink("|");
        sink(&hint);
        sink(chomping);
        for line in body.split('\n') {
            sink("\n");
            if !line.is_empty() {
                sink(&indent);
                sink(line);
            }
        }
    })
}

fn double_quoted(text: &str) -> Zeroizing<String> {
    // A string that begins with a byte-order mark is escaped to its end.
    let escape_all = text.starts_with('\u{feff}');
    exact(|sink| {
        sink("\"");
        let mut buffer = [0; 4];
        for c in text.chars() {
            if escape_all || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                escape(c, sink);
            } else {
                sink(c.encode_utf8(&mut buffer));
            }
        }
        sink("\"");
    })
}

fn escape(c: char, sink: &mut dyn FnMut(&str)) {
    sink(match c {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{a0}' => "\\_",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        other => {
            let code = u32::from(other);
            return sink(&match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    });
}

/// Prints a document that is not YAML yet.
///
/// # Errors
/// Those of [`Reveal::value`].
pub(super) fn print(entries: &Entries, reveal: &dyn Reveal) -> Result<Zeroizing<String>, Problem> {
    let mut printer = Printer { pieces: Vec::new(), path: FieldPath::root(), reveal };
    if entries.is_empty() {
        printer.piece("{}\n");
    } else {
        printer.map(entries, 0)?;
    }
    Ok(exact(|sink| printer.pieces.iter().for_each(|piece| sink(piece))))
}

struct Printer<'r> {
    /// May be plaintext.
    pieces: Vec<Zeroizing<String>>,
    path: FieldPath,
    reveal: &'r dyn Reveal,
}

impl Printer<'_> {
    fn piece(&mut self, text: &str) {
        self.pieces.push(Zeroizing::new(text.to_owned()));
    }

    /// Prints a mapping from the column on that its first key stands in already.
    fn map(&mut self, entries: &Entries, column: usize) -> Result<(), Problem> {
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                self.piece(&" ".repeat(column));
            }
            self.pieces.push(string(key, None));
            self.piece(":");
            self.path.push(Step::Key(key.clone()));
            let place = BlockPlace { parent: column, in_list: false, step: INDENT, behind: Behind::LineEnd };
            match value {
                Tree::Map(entries) if !entries.is_empty() => {
                    self.piece("\n");
                    self.piece(&" ".repeat(place.content()));
                    self.map(entries, place.content())?;
                }
                Tree::List(items) if !items.is_empty() => {
                    self.piece("\n");
                    self.piece(&" ".repeat(place.content()));
                    self.list(items, place.content())?;
                }
                value => self.leaf(value, place)?,
            }
            self.path.pop();
        }
        Ok(())
    }

    fn list(&mut self, items: &[Tree], column: usize) -> Result<(), Problem> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.piece(&" ".repeat(column));
            }
            self.piece("-");
            self.path.push(Step::Index(index));
            let place = BlockPlace { parent: column, in_list: true, step: INDENT, behind: Behind::LineEnd };
            match item {
                Tree::Map(entries) if !entries.is_empty() => {
                    self.piece(" ");
                    self.map(entries, column + 2)?;
                }
                Tree::List(items) if !items.is_empty() => {
                    self.piece(" ");
                    self.list(items, column + 2)?;
                }
                item => self.leaf(item, place)?,
            }
            self.path.pop();
        }
        Ok(())
    }

    /// A value on the line of its key or dash, and the end of that line.
    fn leaf(&mut self, value: &Tree, place: BlockPlace) -> Result<(), Problem> {
        self.piece(" ");
        match value {
            Tree::Map(_) => self.piece("{}"),
            Tree::List(_) => self.piece("[]"),
            Tree::Scalar(Scalar::Null) => self.piece("null"),
            Tree::Scalar(scalar) => match scalar.as_str() {
                Some(text) if EncryptedValue::is_claimed_by(text) => {
                    let plaintext = self.reveal.value(&self.path, text)?;
                    self.pieces.push(match yaml_of(&plaintext) {
                        Rendered::Plain(text) => text,
                        Rendered::Text(text) => string(text, Some(place)),
                        Rendered::Binary(text) => Zeroizing::new(format!("!!binary {}", *text)),
                    });
                }
                Some(text) => self.pieces.push(string(text, Some(place))),
                None => self.pieces.push(scalar.in_yaml()),
            },
        }
        self.piece("\n");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str, parent: usize, in_list: bool) -> String {
        let place = BlockPlace { parent, in_list, step: INDENT, behind: Behind::LineEnd };
        string(text, Some(place)).to_string()
    }

    /// As sops 3.13.2 printed them below `e: [ ]`.
    #[test]
    fn strings_in_the_style_that_sops_prints() {
        for (text, expected) in [
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("12:30", "\"12:30\""),
            ("#x", "'#x'"),
            ("a: b", "'a: b'"),
            ("tab\there", "\"tab\\there\""),
            ("é", "é"),
            ("😀", "\"\\U0001F600\""),
            ("\rz", "\"\\rz\""),
            ("'", "''''"),
            ("\"q", "'\"q'"),
            ("trail ", "'trail '"),
            ("a\n b ", "\"a\\n b \""),
            ("x\n\n", "|+\n      x\n"),
            ("=", "="),
            ("~", "\"~\""),
            ("a:b", "a:b"),
            ("a:", "'a:'"),
            (":a", ":a"),
            ("-", "'-'"),
            ("? a", "'? a'"),
            ("--- a", "'--- a'"),
        ] {
            assert_eq!(printed(text, 4, true), expected, "{text:?}");
        }
    }

    #[test]
    fn blocks_where_sops_indents_them() {
        assert_eq!(printed("x\ny", 0, false), "|-\n    x\n    y");
        assert_eq!(printed("r\ns", 6, false), "|-\n        r\n        s");
        assert_eq!(printed("v\nw\n", 6, true), "|\n        v\n        w");
        assert_eq!(printed(" lead\nb", 8, false), "|4-\n             lead\n            b");
    }

    /// sops prints these so that no reader gets them back.
    #[test]
    fn what_would_be_read_as_another_string_is_double_quoted() {
        assert_eq!(printed(" lead\nb", 4, true), "\" lead\\nb\"");
        assert_eq!(printed(" lead\nb", 6, false), "\" lead\\nb\"");
        assert_eq!(printed("x\u{2028}y", 0, false), "\"x\\Ly\"");
        assert_eq!(printed("<<", 0, false), "\"<<\"");
        let commented = BlockPlace { parent: 0, in_list: false, step: INDENT, behind: Behind::Anything };
        assert_eq!(*string("a\nb", Some(commented)), "\"a\\nb\"");
        assert_eq!(*string("a\nb", None), "\"a\\nb\"");
    }

    #[test]
    fn what_yaml_1_1_takes_for_a_number() {
        for (text, is) in [
            ("12:30:45.5", true),
            ("-1:0", true),
            ("1:60", false),
            ("a:1", false),
            ("1:", false),
            ("1.5", false),
        ] {
            assert_eq!(is_base_60(text), is, "{text}");
        }
    }
}
