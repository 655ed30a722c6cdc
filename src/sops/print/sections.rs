//! INI as gopkg.in/ini.v1 writes it (`writeToBuffer` in its `file.go`): equals signs under each other, a line between
//! sections, quotes only where the library itself needs them to read the value back.

use zeroize::Zeroizing;

use super::super::ini::{DEFAULT, Section};
use super::{Reveal, revealed, revealed_comment};
use crate::diagnostics::Problem;
use crate::field_path::FieldPath;
use crate::yaml::emit::exact;

/// The section of the metadata, which goes.
const BLOCK: &str = "sops";

pub(super) fn print(sections: &[Section<'_>], reveal: &dyn Reveal) -> Result<Zeroizing<String>, Problem> {
    let sections: Vec<&Section<'_>> = sections.iter().filter(|section| section.name != BLOCK).collect();
    let mut pieces = Pieces(Vec::new());
    for (index, section) in sections.iter().enumerate() {
        let path = FieldPath::from([section.name]);
        pieces.comment(&path, section.comment.as_deref(), reveal);
        if index > 0 || !section.name.eq_ignore_ascii_case(DEFAULT) {
            pieces.extend(["[", section.name, "]\n"]);
        } else if section.keys.is_empty() {
            continue;
        }
        let width = section.keys.iter().map(|key| quoted_key(key.name).concat().len()).max().unwrap_or(0);
        for key in &section.keys {
            let value = revealed(&FieldPath::from([section.name, key.name]), key.value, reveal)?;
            pieces.comment(&path, key.comment.as_deref(), reveal);
            let name = quoted_key(key.name).concat();
            let quote = quote_of(&value);
            pieces.extend([&format!("{name:width$}", width = width_in_chars(&name, width)), " = ", quote]);
            pieces.extend([&value, quote, "\n"]);
        }
        if index + 1 < sections.len() {
            pieces.extend(["\n"]);
        }
    }
    Ok(exact(|sink| pieces.0.iter().for_each(|piece| sink(piece))))
}

/// The library aligns by bytes, and the formatter pads by characters.
fn width_in_chars(name: &str, width: usize) -> usize {
    width - (name.len() - name.chars().count())
}

fn quoted_key(name: &str) -> [&str; 3] {
    let quote = if name.contains(['"', '=', ':']) {
        "`"
    } else if name.contains('`') {
        "\"\"\""
    } else {
        ""
    };
    [quote, name, quote]
}

fn quote_of(value: &str) -> &'static str {
    if value.contains(['\n', '`']) {
        "\"\"\""
    } else if value.contains(['#', ';']) {
        "`"
    } else if value.trim().len() != value.len() {
        "\""
    } else {
        ""
    }
}

struct Pieces(Vec<Zeroizing<String>>);

impl Pieces {
    fn extend<const N: usize>(&mut self, pieces: [&str; N]) {
        self.0.extend(pieces.into_iter().map(|piece| Zeroizing::new(piece.to_owned())));
    }

    fn comment(&mut self, path: &FieldPath, comment: Option<&str>, reveal: &dyn Reveal) {
        let Some(comment) = comment else { return };
        let comment = revealed_comment(path, comment, reveal);
        for line in comment.split('\n').map(str::trim) {
            match line.strip_prefix(['#', ';']) {
                Some(rest) => {
                    let mark = if line.starts_with('#') { "# " } else { "; " };
                    self.extend([mark, rest.trim(), "\n"]);
                }
                None => self.extend(["; ", line, "\n"]),
            }
        }
    }
}
