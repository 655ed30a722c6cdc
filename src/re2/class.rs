//! Character classes and escapes of Go's grammar, spelled out as ranges of code points.

use std::fmt::Write as _;

/// A class that matches no character.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// The scripts whose whole name is four letters long, like the short codes of scripts, which Go does not know.
const FOUR_LETTER_SCRIPTS: [&str; 7] = ["Ahom", "Cham", "Lisu", "Modi", "Newa", "Thai", "Toto"];

/// The named classes, as the ranges of a class (`posixGroup` in Go's `regexp/syntax`).
const POSIX: [(&str, &str); 14] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x00-\x7F"),
    ("blank", r"\t\x20"),
    ("cntrl", r"\x00-\x1F\x7F"),
    ("digit", "0-9"),
    ("graph", "!-~"),
    ("lower", "a-z"),
    ("print", r"\x20-\x7E"),
    ("punct", r"!-/:-@\[-`\{-\x7E"),
    ("space", r"\t-\r\x20"),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// Adds a character to a pattern, in a spelling that means itself in and out of a class.
pub(super) fn push_char(pattern: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        pattern.push(c);
    } else {
        // Writing to a String cannot fail.
        let _ = write!(pattern, r"\x{{{:X}}}", u32::from(c));
    }
}

/// Translates the class at the beginning of `text`, which is a `[`. Gives it with its length in `text`.
pub(super) fn bracketed(text: &str, fold_case: bool) -> Result<(String, usize), String> {
    let mut rest = text.get(1..).unwrap_or_default();
    let mut ranges = String::new();
    let negated = rest.strip_prefix('^').inspect(|after| rest = after).is_some();
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        let length = match named(rest)? {
            Some(named) => Some(named),
            None => group(rest)?,
        };
        if let Some((class, length)) = length {
            ranges.push_str(&class);
            rest = rest.get(length..).unwrap_or_default();
        } else {
            rest = range(rest, text, &mut ranges)?;
        }
    }
    let class = match (ranges.is_empty(), negated) {
        (true, false) => NOTHING.to_owned(),
        (true, true) => "(?s:.)".to_owned(),
        (false, _) => {
            let (flag, not) = (if fold_case { "i" } else { "" }, if negated { "^" } else { "" });
            format!("(?{flag}:[{not}{ranges}])")
        }
    };
    Ok((class, text.len() - rest.len() + 1))
}

/// Reads a character or a range of a class, adds it to `ranges`, and gives what follows it.
fn range<'t>(text: &'t str, class: &str, ranges: &mut String) -> Result<&'t str, String> {
    let (low, mut rest) = class_char(text, class)?;
    let mut high = low;
    // A dash before the end of the class is itself.
    if let Some(after) = rest.strip_prefix('-').filter(|after| !after.is_empty() && !after.starts_with(']')) {
        (high, rest) = class_char(after, class)?;
        if high < low {
            let bad = text.get(..text.len() - rest.len()).unwrap_or_default();
            return Err(format!("invalid character class range: `{bad}`"));
        }
    }
    // Go's ranges may begin and end with surrogates, which no text holds.
    let low = char::from_u32(low).unwrap_or('\u{e000}');
    let high = char::from_u32(high).unwrap_or('\u{d7ff}');
    if low <= high {
        push_char(ranges, low);
        if low < high {
            ranges.push('-');
            push_char(ranges, high);
        }
    }
    Ok(rest)
}

/// Reads one character of a class, escaped or not: its code point, and what follows it.
fn class_char<'t>(text: &'t str, class: &str) -> Result<(u32, &'t str), String> {
    let (code, length) = match text.chars().next() {
        None => return Err(format!("missing closing ]: `{class}`")),
        Some('\\') => escaped_char(text)?,
        Some(c) => (u32::from(c), c.len_utf8()),
    };
    Ok((code, text.get(length..).unwrap_or_default()))
}

/// Translates a `[:name:]` at the beginning of `text`, for use inside a class. Gives it with its length in `text`.
fn named(text: &str) -> Result<Option<(String, usize)>, String> {
    let Some((name, _)) = text.strip_prefix("[:").and_then(|after| after.split_once(":]")) else {
        return Ok(None);
    };
    let (not, plain) = match name.strip_prefix('^') {
        Some(plain) => ("^", plain),
        None => ("", name),
    };
    let Some((_, ranges)) = POSIX.iter().find(|(known, _)| *known == plain) else {
        return Err(format!("invalid character class range: `[:{name}:]`"));
    };
    Ok(Some((format!("[{not}{ranges}]"), name.len() + 4)))
}

/// Translates a class escape (`\d`, `\pL`, `\P{Greek}`) at the beginning of `text`, for use in and out of a class.
/// Gives it with its length in `text`.
pub(super) fn group(text: &str) -> Result<Option<(String, usize)>, String> {
    let class = match text.get(..2) {
        Some(r"\d") => "[0-9]",
        Some(r"\D") => "[^0-9]",
        Some(r"\s") => r"[\t\n\f\r\x20]",
        Some(r"\S") => r"[^\t\n\f\r\x20]",
        Some(r"\w") => "[0-9A-Za-z_]",
        Some(r"\W") => "[^0-9A-Za-z_]",
        Some(r"\p") => return unicode(text, false).map(Some),
        Some(r"\P") => return unicode(text, true).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((class.to_owned(), 2)))
}

/// Translates a Unicode class: a general category or a script, by the names that Go looks up.
fn unicode(text: &str, mut negated: bool) -> Result<(String, usize), String> {
    let after = text.get(2..).unwrap_or_default();
    let (mut name, length) = match after.strip_prefix('{') {
        Some(inner) => match inner.split_once('}') {
            Some((name, _)) => (name, name.len() + 4),
            None => return Err(format!("invalid character class range: `{text}`")),
        },
        None => match after.chars().next() {
            Some(c) => (after.get(..c.len_utf8()).unwrap_or_default(), 2 + c.len_utf8()),
            None => return Err(format!("invalid character class range: `{text}`")),
        },
    };
    if let Some(plain) = name.strip_prefix('^') {
        (negated, name) = (!negated, plain);
    }
    let class = unicode_class(&canonical(name)).ok_or_else(|| {
        format!("invalid character class range: `{}`", text.get(..length).unwrap_or_default())
    })?;
    Ok((if negated { format!("[^{class}]") } else { class }, length))
}

/// The class of a canonical name.
fn unicode_class(name: &str) -> Option<String> {
    let known = |class: String| regex::Regex::new(&class).is_ok().then_some(class);
    // The `regex` crate would skip an `is` before a name, as Unicode allows, and Go does not.
    if name.is_empty() || name.starts_with("Is") || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    match name {
        "Any" => Some(r"[\x{0}-\x{10FFFF}]".into()),
        "Ascii" => Some(r"[\x00-\x7F]".into()),
        "Assigned" => Some(r"\P{gc=Cn}".into()),
        "Cs" | "Surrogate" => Some(NOTHING.into()),
        name => known(format!(r"\p{{gc={name}}}")).or_else(|| {
            let script = name.len() != 4 || FOUR_LETTER_SCRIPTS.contains(&name);
            script.then(|| known(format!(r"\p{{sc={name}}}"))).flatten()
        }),
    }
}

/// A name without spaces, dashes and underscores, with only its first letter in upper case, as Go looks it up.
fn canonical(name: &str) -> String {
    let mut canonical: String = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect();
    canonical.make_ascii_lowercase();
    if let Some(first) = canonical.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    canonical
}

/// Reads an escaped character at the beginning of `text`: its code point, and its length in `text`.
pub(super) fn escaped_char(text: &str) -> Result<(u32, usize), String> {
    let mut chars = text.chars().skip(1);
    let Some(c) = chars.next() else {
        return Err("trailing backslash at end of expression".into());
    };
    let code = match c {
        'a' => Some((0x07, 2)),
        'f' => Some((0x0c, 2)),
        'n' => Some((0x0a, 2)),
        'r' => Some((0x0d, 2)),
        't' => Some((0x09, 2)),
        'v' => Some((0x0b, 2)),
        '0'..='7' => octal(text),
        'x' => hexadecimal(text),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some((u32::from(c), 2)),
        _ => None,
    };
    code.ok_or_else(|| format!("invalid escape sequence: `\\{c}`"))
}

/// `\123`: up to three octal digits. A single one that is not zero would be a backreference.
fn octal(text: &str) -> Option<(u32, usize)> {
    let digits = text.bytes().skip(1).take(3).take_while(|b| matches!(b, b'0'..=b'7'));
    let (code, count) = digits.fold((0, 0), |(code, count), b| (code * 8 + u32::from(b - b'0'), count + 1));
    (count > 1 || text.starts_with(r"\0")).then_some((code, count + 1))
}

/// `\x7F` or `\x{10FFFF}`.
fn hexadecimal(text: &str) -> Option<(u32, usize)> {
    let after = text.get(2..)?;
    let (digits, length) = match after.strip_prefix('{') {
        Some(inner) => inner.split_once('}').map(|(digits, _)| (digits, digits.len() + 4))?,
        None => (after.get(..2)?, 4),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let code = if significant.is_empty() { 0 } else { u32::from_str_radix(significant, 16).ok()? };
    (code <= u32::from(char::MAX)).then_some((code, length))
}
