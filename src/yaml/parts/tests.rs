use proptest::prelude::*;

use super::*;
use crate::yaml::{Document, parse};

/// What documents are, but for the numbers of their anchors.
fn dump(documents: &[Document<'_>]) -> String {
    let documents: Vec<_> = documents.iter().map(|Document { root, range, .. }| (root, range)).collect();
    let text = format!("{documents:?}");
    let mut pieces = text.split("anchor: Some(");
    let first = pieces.next().unwrap_or_default().to_owned();
    let dump =
        pieces.fold(first, |dump, piece| dump + piece.trim_start_matches(|c: char| c.is_ascii_digit()));
    let mut pieces = dump.split("Alias(");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |dump, piece| dump + piece.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn by_parts(text: &str) -> Result<Vec<Document<'_>>, ParseError> {
    let parts = side_by_side(text, &cut(text, 1), &|documents| documents.collect::<Result<Vec<_>, _>>())?;
    Ok(parts.into_iter().flatten().collect())
}

fn assert_same(text: &str) {
    let Ok(parts) = by_parts(text) else { return };
    let whole = parse(text).unwrap_or_else(|error| panic!("{error:?} in {text:?}"));
    assert_eq!(dump(&parts), dump(&whole), "{text:?}");
}

#[test]
fn a_text_is_cut_between_documents_only() {
    let text = "a: 1\n---\nb: ---\n--- c\n- --\n---\td\n  ---\n---";
    let parts: Vec<&str> = cut(text, 1).into_iter().map(|part| &text[part]).collect();
    assert_eq!(parts, ["a: 1\n", "---\nb: ---\n", "--- c\n- --\n", "---\td\n  ---\n---"]);
    for whole in ["# c\n---\na", "a\n...\n---\nb", "%YAML 1.2\n---\na", "a\n\n---\nb", "---\n---\n"] {
        assert_eq!(cut(whole, 1).len(), 1, "{whole:?}");
    }
}

#[test]
fn parts_are_what_the_whole_is() {
    for text in [
        "a: 1\n---\nb: 2\n",
        "# of the first\na: 1 # one\n# of the second\n---\n# inside\nb: 2\n",
        "a: |\n  x\n\n---\nb: >+\n  y\n\n\n---\n",
        "a: &a 1\nb: *a\n---\na: &a 2\nb: *a\n...\n---\n- x\n",
        "---\n---\n--- # c\n--- |\n  x\n",
        "\u{feff}a: 1\r\n---\r\nb: '2\r\n\r\n  3'\r\n",
    ] {
        assert!(by_parts(text).is_ok(), "{text:?}");
        assert_same(text);
        assert_same(&format!("{text}---\nz: 1\n"));
    }
}

#[test]
fn what_cannot_be_cut_is_read_as_a_whole() {
    let padding = "k: vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\n---\n".repeat(12_000);
    assert!(padding.len() > SMALL);
    let with_directive = format!("{padding}a: 1\n...\n%TAG !e! tag:e,1:\n---\n!e!x b\n");
    assert_eq!(parse(&with_directive).unwrap().len(), 12_002);
    let broken = format!("{padding}a: 1\n---\nb: [\n---\nc: 3\n");
    let error = parse(&broken).unwrap_err();
    // The place is that in the whole text.
    assert!(error.line > 24_000, "{error:?}");
}

#[test]
fn the_documents_of_a_large_text_come_in_order() {
    let text = (0..40_000)
        .fold(String::new(), |text, number| text + &format!("number: {number}\nanchor: &a x\n---\n"));
    assert!(text.len() > SMALL);
    let documents = parse(&text).unwrap();
    for (number, document) in documents.iter().take(40_000).enumerate() {
        assert_eq!(
            document.root.find("number").and_then(|node| node.text()),
            Some(number.to_string().as_str())
        );
    }
    let mut anchors: Vec<usize> =
        documents.iter().filter_map(|document| document.root.find("anchor")?.anchor()).collect();
    assert_eq!(anchors.len(), 40_000);
    anchors.sort_unstable();
    anchors.dedup();
    assert_eq!(anchors.len(), 40_000, "each anchor has a number of its own");
}

proptest! {
    #[test]
    fn random_parts_are_what_the_whole_is(
        lines in prop::collection::vec(prop::sample::select(vec![
            "---", "--- ", "--- a", "...", "# c", "  # c", "a: 1", "b: x", "  c: 2", "- d", "- &a e", "- *a", "k: |", "  text", "",
            "q: \"x", "y\"", "f: [", "]", "{a: 1}", "%YAML 1.2", "? k", ": v", "'", "!t u",
        ]), 0..14)
    ) {
        assert_same(&lines.join("\n"));
        assert_same(&(lines.join("\r\n") + "\r\n"));
    }
}
