//! JSON files as SOPS reads them: order and duplicate keys are kept, numbers are integers where they fit 64 bits.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::scalar::Scalar;
use super::tree::Tree;
use crate::diagnostics::{Code, Problem};

/// Reads a JSON file.
///
/// # Errors
/// `bad-metadata`: it is no JSON, or nests more than 127 levels deep.
pub(super) fn parse(text: &str) -> Result<Tree, Problem> {
    // The message of serde_json may hold text of the file; the place is enough.
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::new(Code::BadMetadata, "the file is no JSON that sops wrote")
            .because(format!("line {line}, column {column}"))
            .help("restore the file from version control; files that are not JSON must not be named .json")
    })
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Scalar::Null))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(Scalar::Bool(truth)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Scalar::Int(number)))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what does not fit an i64 is a float to sops, rounded the same way"
    )]
    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(i64::try_from(number).map_or(Scalar::Float(number as f64), Scalar::Int)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        // `-0` is an integer to Go; serde_json does not tell it from `-0.0`, which sops never writes.
        let negative_zero = number == 0.0 && number.is_sign_negative();
        Ok(Tree::Scalar(if negative_zero { Scalar::Int(0) } else { Scalar::Float(number) }))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(Scalar::Text(Cow::Owned(text.as_bytes().to_vec()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Tree {
        parse(text).unwrap()
    }

    #[test]
    fn numbers_are_integers_where_they_fit() {
        for (text, scalar) in [
            ("9223372036854775807", Scalar::Int(i64::MAX)),
            ("-9223372036854775808", Scalar::Int(i64::MIN)),
            ("9223372036854775808", Scalar::Float(9_223_372_036_854_775_808.0)),
            ("123456789012345678901234567890", Scalar::Float(1.234_567_890_123_456_8e29)),
            ("1e2", Scalar::Float(100.0)),
            ("1.0", Scalar::Float(1.0)),
            ("-0", Scalar::Int(0)),
            ("8.988465674311579e307", Scalar::Float(8.988_465_674_311_579e307)),
        ] {
            assert_eq!(number(text), Tree::Scalar(scalar), "{text}");
        }
    }

    #[test]
    fn order_and_duplicates_are_kept() {
        let Tree::Map(entries) = parse(r#"{"b": null, "a": [true, "\u003c\/"], "b": {}}"#).unwrap() else {
            panic!("no mapping")
        };
        assert_eq!(entries.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["b", "a", "b"]);
        assert_eq!(Tree::find(&entries, "b"), Some(&Tree::Map(Vec::new())));
    }

    #[test]
    fn errors_tell_the_place_and_nothing_of_the_content() {
        for text in ["", "{\"a\": hunter2}", "{\"hunter2\": 1e999}", "{\"a\": 1} hunter2", &"[".repeat(200)] {
            let problem = parse(text).unwrap_err();
            assert!(problem.causes[0].starts_with("line 1, column "), "{problem:?}");
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
    }
}
