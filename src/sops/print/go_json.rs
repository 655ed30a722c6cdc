//! JSON as SOPS prints it: tabs, Go's escapes and Go's floats (`encoding/json`).

use zeroize::Zeroizing;

use super::super::number;
use super::super::scalar::Scalar;
use super::super::tree::{Entries, Tree};
use super::super::value::EncryptedValue;
use super::Reveal;
use crate::diagnostics::{Code, Problem};
use crate::field_path::{FieldPath, Step};
use crate::yaml::emit::exact;

/// Prints a document.
///
/// # Errors
/// Those of [`Reveal::value`]; `bad-input` for a float that JSON cannot hold.
pub(super) fn print(entries: &Entries, reveal: &dyn Reveal) -> Result<Zeroizing<String>, Problem> {
    let mut printer = Printer { pieces: Vec::new(), path: FieldPath::root(), depth: 0, reveal };
    printer.map(entries)?;
    printer.piece("\n");
    Ok(exact(|sink| printer.pieces.iter().for_each(|piece| sink(piece))))
}

struct Printer<'r> {
    /// May be plaintext.
    pieces: Vec<Zeroizing<String>>,
    path: FieldPath,
    depth: usize,
    reveal: &'r dyn Reveal,
}

impl Printer<'_> {
    fn piece(&mut self, text: &str) {
        self.pieces.push(Zeroizing::new(text.to_owned()));
    }

    fn line(&mut self) {
        let tabs = "\t".repeat(self.depth);
        self.piece("\n");
        self.piece(&tabs);
    }

    fn tree(&mut self, tree: &Tree) -> Result<(), Problem> {
        match tree {
            Tree::Map(entries) => self.map(entries),
            Tree::List(items) => self.list(items),
            Tree::Scalar(scalar) => {
                match scalar.as_str().filter(|text| EncryptedValue::is_claimed_by(text)) {
                    Some(text) => {
                        let plaintext = self.reveal.value(&self.path, text)?;
                        let scalar = Scalar::of_sealed(plaintext.kind(), plaintext.expose());
                        self.scalar(&scalar.unwrap_or(Scalar::Null))
                    }
                    None => self.scalar(scalar),
                }
            }
        }
    }

    fn map(&mut self, entries: &Entries) -> Result<(), Problem> {
        if entries.is_empty() {
            self.piece("{}");
            return Ok(());
        }
        self.piece("{");
        self.depth += 1;
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                self.piece(",");
            }
            self.line();
            self.pieces.push(quoted(key.as_bytes()));
            self.piece(": ");
            self.path.push(Step::Key(key.clone()));
            self.tree(value)?;
            self.path.pop();
        }
        self.depth -= 1;
        self.line();
        self.piece("}");
        Ok(())
    }

    fn list(&mut self, items: &[Tree]) -> Result<(), Problem> {
        if items.is_empty() {
            self.piece("[]");
            return Ok(());
        }
        self.piece("[");
        self.depth += 1;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.piece(",");
            }
            self.line();
            self.path.push(Step::Index(index));
            self.tree(item)?;
            self.path.pop();
        }
        self.depth -= 1;
        self.line();
        self.piece("]");
        Ok(())
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> Result<(), Problem> {
        let text = match scalar {
            Scalar::Null => Zeroizing::new(String::from("null")),
            Scalar::Bool(truth) => Zeroizing::new(truth.to_string()),
            Scalar::Int(number) => number::decimal(*number),
            Scalar::Float(float) if float.is_finite() => number::json(*float),
            Scalar::Float(_) => {
                return Err(Problem::new(Code::BadInput, "JSON has no infinite numbers, and a value is one")
                    .at(&self.path));
            }
            Scalar::Time(time) => quoted(time.to_nanoseconds().as_bytes()),
            Scalar::Text(bytes) => quoted(bytes),
        };
        self.pieces.push(text);
        Ok(())
    }
}

/// A string as Go writes it: what HTML and JavaScript could stumble over is escaped, and what is no UTF-8 replaced.
fn quoted(bytes: &[u8]) -> Zeroizing<String> {
    exact(|sink| {
        sink("\"");
        for chunk in bytes.utf8_chunks() {
            let mut rest = chunk.valid();
            while let Some(special) = rest.find(is_special) {
                let (before, from) = rest.split_at(special);
                sink(before);
                let mut characters = from.chars();
                escape(characters.next().unwrap_or_default(), sink);
                rest = characters.as_str();
            }
            sink(rest);
            chunk.invalid().iter().for_each(|_| sink("\\ufffd"));
        }
        sink("\"");
    })
}

fn is_special(c: char) -> bool {
    c < ' ' || matches!(c, '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn escape(c: char, sink: &mut dyn FnMut(&str)) {
    match c {
        '"' => sink("\\\""),
        '\\' => sink("\\\\"),
        '\n' => sink("\\n"),
        '\r' => sink("\\r"),
        '\t' => sink("\\t"),
        '\u{8}' => sink("\\b"),
        '\u{c}' => sink("\\f"),
        other => sink(&format!("\\u{:04x}", u32::from(other))),
    }
}
