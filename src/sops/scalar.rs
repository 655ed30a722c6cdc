//! Scalars as SOPS types them: plain YAML as Go's yaml.v3 reads it, decrypted values by the type they were sealed with.
//!
//! The MAC is over typed values, so `0x1F`, `31` and `31.0` are different texts with one hash, and `yes` is a string.
//! No YAML crate types scalars as yaml.v3 does. (Source: `resolve.go` and `scalar` in `decode.go` of go.yaml.in/yaml
//! v3.0.4, which sops 3.13 calls by `node.Decode(&interface{})`.)

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

use super::number::{self, Integer};
use super::timestamp::Timestamp;
use crate::secret::{Plaintext, ValueType};
use crate::yaml::ScalarStyle;

/// A typed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'t> {
    /// Nothing. SOPS neither encrypts nor hashes it.
    Null,
    /// A string: bytes, because a `!!binary` value is a string to Go, whatever it holds.
    Text(Cow<'t, [u8]>),
    /// A signed 64-bit integer.
    Int(i64),
    /// A 64-bit float.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A moment in time.
    Time(Timestamp),
}

/// Why SOPS does not take a YAML scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// An integer above `i64::MAX`, which SOPS cannot walk.
    Unsigned,
    /// A time zone that Go reads, but cannot write.
    TimeZone,
    /// The text does not fit the tag.
    Tag(&'static str),
    /// `!!binary`, and no base64.
    Base64,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("the number does not fit a signed 64-bit integer; quote it"),
            Self::TimeZone => f.write_str("the time zone is 24 hours or more away from UTC; quote the value"),
            Self::Tag(tag) => write!(f, "the value does not fit its tag {tag}"),
            Self::Base64 => f.write_str("the value is tagged !!binary, and is no base64"),
        }
    }
}

impl<'t> Scalar<'t> {
    /// Types a YAML scalar; `tag` is its resolved tag.
    ///
    /// # Errors
    /// SOPS refuses such a scalar, or would drop it.
    pub fn of_yaml(text: &'t str, style: ScalarStyle, tag: Option<&str>) -> Result<Self, Unreadable> {
        let typed = match tag.map(|tag| tag.strip_prefix("tag:yaml.org,2002:").unwrap_or(tag)) {
            None | Some("!") if style != ScalarStyle::Plain => Natural::Text,
            None | Some("!") => natural(text, true),
            Some("int") => match natural(text, false) {
                typed @ (Natural::Int(_) | Natural::Unsigned) => typed,
                _ => return Err(Unreadable::Tag("!!int")),
            },
            Some("float") => match natural(text, false) {
                typed @ Natural::Float(_) => typed,
                Natural::Int(number) => Natural::Float(to_float(number)),
                _ => return Err(Unreadable::Tag("!!float")),
            },
            Some("bool") => match natural(text, false) {
                typed @ Natural::Bool(_) => typed,
                _ => return Err(Unreadable::Tag("!!bool")),
            },
            Some("null") => match natural(text, false) {
                Natural::Null => Natural::Null,
                _ => return Err(Unreadable::Tag("!!null")),
            },
            Some("timestamp") => match natural(text, true) {
                typed @ Natural::Time(_) => typed,
                _ => return Err(Unreadable::Tag("!!timestamp")),
            },
            Some("binary") => return binary(text),
            Some(_) => Natural::Text,
        };
        match typed {
            Natural::Null => Ok(Self::Null),
            Natural::Text => Ok(Self::Text(Cow::Borrowed(text.as_bytes()))),
            Natural::Int(number) => Ok(Self::Int(number)),
            Natural::Unsigned => Err(Unreadable::Unsigned),
            Natural::Float(number) => Ok(Self::Float(number)),
            Natural::Bool(truth) => Ok(Self::Bool(truth)),
            Natural::Time(time) if time.is_marshallable() => Ok(Self::Time(time)),
            Natural::Time(_) => Err(Unreadable::TimeZone),
        }
    }

    /// The same, with a text of its own.
    #[must_use]
    pub(super) fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Null => Scalar::Null,
            Self::Text(bytes) => Scalar::Text(Cow::Owned(bytes.into_owned())),
            Self::Int(number) => Scalar::Int(number),
            Self::Float(number) => Scalar::Float(number),
            Self::Bool(truth) => Scalar::Bool(truth),
            Self::Time(time) => Scalar::Time(time),
        }
    }

    /// Types a decrypted value. `None`: its bytes do not fit the type it was sealed with.
    pub(super) fn of_sealed(kind: ValueType, bytes: &'t [u8]) -> Option<Self> {
        let text = || std::str::from_utf8(bytes).ok();
        match kind {
            ValueType::Str | ValueType::Bytes | ValueType::Comment => Some(Self::Text(Cow::Borrowed(bytes))),
            ValueType::Int => number::integer_in(text()?, 10).map(Self::Int),
            ValueType::Float => number::float(text()?).map(Self::Float),
            ValueType::Bool => boolean(text()?).map(Self::Bool),
            ValueType::Time => {
                Timestamp::of_rfc3339(text()?).filter(|time| time.is_marshallable()).map(Self::Time)
            }
        }
    }

    /// The text of a string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

impl Scalar<'_> {
    /// A value that is no string, as `sops -d` prints it in YAML.
    pub(super) fn in_yaml(&self) -> Zeroizing<String> {
        match self {
            Self::Null => Zeroizing::new(String::from("null")),
            Self::Text(bytes) => Zeroizing::new(base64_simd::STANDARD.encode_to_string(bytes)),
            Self::Int(number) => number::decimal(*number),
            Self::Float(number) => number::general(*number),
            Self::Bool(truth) => Zeroizing::new(truth.to_string()),
            Self::Time(time) => time.to_nanoseconds(),
        }
    }
}

/// Reads a boolean as Go's `ParseBool` does.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// What a plain scalar is.
enum Natural {
    Null,
    Text,
    Int(i64),
    Unsigned,
    Float(f64),
    Bool(bool),
    Time(Timestamp),
}

fn natural(text: &str, times: bool) -> Natural {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Natural::Null,
        "true" | "True" | "TRUE" => return Natural::Bool(true),
        "false" | "False" | "FALSE" => return Natural::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Natural::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Natural::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Natural::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes() {
        [b'.', ..] => number::float(text).map_or(Natural::Text, Natural::Float),
        [b'0'..=b'9' | b'+' | b'-', ..] => {
            if let Some(time) = Timestamp::of_yaml(text).filter(|_| times) {
                return Natural::Time(time);
            }
            natural_number(&if text.contains('_') {
                text.replace('_', "").into()
            } else {
                Cow::Borrowed(text)
            })
        }
        _ => Natural::Text,
    }
}

fn natural_number(text: &str) -> Natural {
    match number::integer(text) {
        Some(Integer::Signed(number)) => return Natural::Int(number),
        Some(Integer::Unsigned) => return Natural::Unsigned,
        Some(Integer::TooLong) | None => {}
    }
    if number::is_yaml_float(text)
        && let Some(number) = number::float(text)
    {
        return Natural::Float(number);
    }
    // yaml.v3 goes on to strip the prefix itself, which lets a sign stand after it.
    let after_prefix = [("0b", 2), ("0o", 8)]
        .into_iter()
        .find_map(|(prefix, radix)| number::integer_in(text.strip_prefix(prefix)?, radix));
    after_prefix.map_or(Natural::Text, Natural::Int)
}

fn binary(text: &str) -> Result<Scalar<'static>, Unreadable> {
    // Go's decoder skips line breaks.
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    base64_simd::STANDARD
        .decode_to_vec(text)
        .map(|bytes| Scalar::Text(Cow::Owned(bytes)))
        .map_err(|_| Unreadable::Base64)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "yaml.v3 rounds an integer that is tagged !!float the same way"
)]
fn to_float(number: i64) -> f64 {
    number as f64
}

/// A decrypted value as a YAML scalar, of the type that `sops -d` prints it with.
#[derive(Debug, PartialEq, Eq)]
pub enum Rendered<'p> {
    /// A string, yet to be quoted as the place asks for.
    Text(&'p str),
    /// A plain scalar that is no string.
    Plain(Zeroizing<String>),
    /// A string that is no UTF-8: base64, for a scalar tagged `!!binary`.
    Binary(Zeroizing<String>),
}

/// How a decrypted value is written in YAML.
#[must_use]
pub fn yaml_of(plaintext: &Plaintext) -> Rendered<'_> {
    match Scalar::of_sealed(plaintext.kind(), plaintext.expose()) {
        Some(
            scalar @ (Scalar::Null | Scalar::Int(_) | Scalar::Float(_) | Scalar::Bool(_) | Scalar::Time(_)),
        ) => Rendered::Plain(scalar.in_yaml()),
        // What does not fit its type was refused when it was decrypted; it could only be a string.
        Some(Scalar::Text(_)) | None => match plaintext.expose_str() {
            Some(text) => Rendered::Text(text),
            None => {
                Rendered::Binary(Zeroizing::new(base64_simd::STANDARD.encode_to_string(plaintext.expose())))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretBytes;

    fn plain(text: &str) -> Result<Scalar<'_>, Unreadable> {
        Scalar::of_yaml(text, ScalarStyle::Plain, None)
    }

    fn tagged<'t>(tag: &str, text: &'t str) -> Result<Scalar<'t>, Unreadable> {
        Scalar::of_yaml(text, ScalarStyle::Plain, Some(&format!("tag:yaml.org,2002:{tag}")))
    }

    fn string(text: &str) -> Scalar<'_> {
        Scalar::Text(Cow::Borrowed(text.as_bytes()))
    }

    #[test]
    fn strings_that_other_readers_take_for_something_else() {
        for text in [
            "yes", "No", "on", "y", "n", "nULL", "tRUE", "<<", "=", "1:30", "0x", "1e400", "+inf", "Inf",
            "nan", "_1", "0o8", "08:15", "2024-01", "1,000", ".", "-", "+", "..5", "._5", "0b12", "- 1",
        ] {
            assert_eq!(plain(text), Ok(string(text)), "{text}");
        }
    }

    #[test]
    fn numbers() {
        for (text, scalar) in [
            ("0777", Scalar::Int(511)),
            ("0o17", Scalar::Int(15)),
            ("-0O17", Scalar::Int(-15)),
            ("1_000", Scalar::Int(1000)),
            ("0x_1F", Scalar::Int(31)),
            ("0b-101", Scalar::Int(-5)),
            ("0o+7", Scalar::Int(7)),
            ("+12", Scalar::Int(12)),
            ("0888", Scalar::Float(888.0)),
            ("-09", Scalar::Float(-9.0)),
            ("1_0.5", Scalar::Float(10.5)),
            (".5", Scalar::Float(0.5)),
            ("+.5e1", Scalar::Float(5.0)),
            ("1e3", Scalar::Float(1000.0)),
            ("18446744073709551616", Scalar::Float(18_446_744_073_709_551_616.0)),
            ("-9223372036854775809", Scalar::Float(-9_223_372_036_854_775_808.0)),
            ("0x1ffffffffffffffff", string("0x1ffffffffffffffff")),
            ("-.INF", Scalar::Float(f64::NEG_INFINITY)),
        ] {
            assert_eq!(plain(text), Ok(scalar), "{text}");
        }
        assert_eq!(plain("9223372036854775808"), Err(Unreadable::Unsigned));
    }

    #[test]
    fn tags_rule() {
        assert_eq!(tagged("str", "12"), Ok(string("12")));
        assert_eq!(tagged("float", "3"), Ok(Scalar::Float(3.0)));
        assert_eq!(tagged("int", "0x10"), Ok(Scalar::Int(16)));
        assert_eq!(tagged("binary", "aGV5\n"), Ok(string("hey")));
        assert_eq!(tagged("binary", "/w=="), Ok(Scalar::Text(Cow::Borrowed(b"\xff"))));
        assert_eq!(tagged("null", ""), Ok(Scalar::Null));
        assert_eq!(tagged("omap", "1"), Ok(string("1")));
        assert_eq!(tagged("binary", "?"), Err(Unreadable::Base64));
        assert_eq!(tagged("int", "2024-01-02"), Err(Unreadable::Tag("!!int")));
        assert_eq!(tagged("bool", "yes"), Err(Unreadable::Tag("!!bool")));
        assert_eq!(tagged("float", "9223372036854775808"), Err(Unreadable::Tag("!!float")));
        assert_eq!(Scalar::of_yaml("1", ScalarStyle::Plain, Some("!mine")), Ok(string("1")));
        assert_eq!(Scalar::of_yaml("1", ScalarStyle::Plain, Some("!")), Ok(Scalar::Int(1)));
        assert_eq!(Scalar::of_yaml("1", ScalarStyle::SingleQuoted, None), Ok(string("1")));
        assert_eq!(
            Scalar::of_yaml("1", ScalarStyle::DoubleQuoted, Some("tag:yaml.org,2002:int")),
            Ok(Scalar::Int(1))
        );
    }

    #[test]
    fn decrypted_values_must_fit_their_type() {
        let fits = |kind, bytes: &[u8]| Scalar::of_sealed(kind, bytes).is_some();
        assert!(
            fits(ValueType::Int, b"+05") && !fits(ValueType::Int, b"0x5") && !fits(ValueType::Int, b"1_0")
        );
        assert!(fits(ValueType::Bool, b"True") && !fits(ValueType::Bool, b"yes"));
        assert!(fits(ValueType::Float, b"-1e3") && !fits(ValueType::Float, b"1e999"));
        assert!(fits(ValueType::Time, b"2024-01-02T03:04:05Z") && !fits(ValueType::Time, b"2024-01-02"));
        assert!(fits(ValueType::Str, b"\xff") && !fits(ValueType::Int, b"\xff"));
    }

    #[test]
    fn decrypted_values_are_rendered_as_sops_prints_them() {
        let rendered =
            |kind, bytes: &[u8]| match yaml_of(&Plaintext::new(kind, SecretBytes::new(bytes.to_vec()))) {
                Rendered::Text(text) => format!("text {text}"),
                Rendered::Plain(text) => format!("plain {}", *text),
                Rendered::Binary(text) => format!("binary {}", *text),
            };
        assert_eq!(rendered(ValueType::Str, b"12"), "text 12");
        assert_eq!(rendered(ValueType::Str, b"\xff"), "binary /w==");
        assert_eq!(rendered(ValueType::Int, b"+012"), "plain 12");
        assert_eq!(rendered(ValueType::Float, b"1000000"), "plain 1e+06");
        assert_eq!(rendered(ValueType::Bool, b"False"), "plain false");
        assert_eq!(
            rendered(ValueType::Time, b"2024-01-02T03:04:05.10+00:00"),
            "plain 2024-01-02T03:04:05.1Z"
        );
    }
}
