//! (Encrypted file, [`Opened`]) → the file as `sops -d` prints it, for a value that is to hold it.
//!
//! YAML is spliced: comments, order and styles stand in the text, and sops has written it in the form in which it prints.

use zeroize::Zeroizing;

use crate::diagnostics::{Code, Problem};
use crate::field_path::Step;
use crate::krm::{Edits, Input, Item, SealedScalar};
use crate::open::Opened;
use crate::sops::print::{BlockPlace, Output, go_string, print};
use crate::sops::{Format, Rendered, yaml_of};
use crate::yaml::emit;

/// How far sops indents.
const INDENT: usize = 4;

/// Decrypts the file that `text` is, which is to have this name.
///
/// # Errors
/// `not-in-origin`: a value of it is not one that was opened. `bad-input`: it does not fit the format of its name.
pub fn plain_file(
    text: &str,
    format: Format,
    name: &str,
    opened: &Opened,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    match print(text, format, Output::of_name(name), opened)? {
        Some(printed) => Ok(printed),
        None => spliced(text, opened),
    }
}

fn spliced(text: &str, opened: &Opened) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let documents = Input::documents(text)?;
    let mut edits = Edits::new();
    for document in &documents.items {
        let document = document.item();
        let step = indentation(&document, text);
        for sealed in document.sealed() {
            let value = opened.value(&sealed.path, sealed.text)?;
            let text = match yaml_of(value.plaintext()) {
                Rendered::Text(text) => string(text, &sealed, step),
                Rendered::Plain(text) => text,
                Rendered::Binary(base64) => Zeroizing::new(format!("!!binary {}", *base64)),
            };
            edits.replace_scalar(&sealed, text);
        }
        for sealed in document.sealed_comments() {
            let value = opened.comment(&sealed.path, sealed.text);
            if let Some(text) = value.as_ref().and_then(|value| value.plaintext().expose_str()) {
                edits.raise_comment(&sealed, text);
            }
        }
        edits.remove_entry(&document, "sops").map_err(|_| {
            Problem::new(Code::BadMetadata, "an alias of the file refers into its `sops` block")
        })?;
    }
    let mut plain = edits.apply(text);
    Ok(Zeroizing::new(std::mem::take(&mut *plain).into_bytes()))
}

/// Quoted as sops would, where sops would have written the file's text like this.
fn string(text: &str, sealed: &SealedScalar<'_>, step: usize) -> Zeroizing<String> {
    // An encrypted comment behind the value moves above it.
    let place = sealed.place_without_comment.unwrap_or(sealed.place);
    if place.flow || place.json || place.newline != "\n" {
        return emit::string(text, &place);
    }
    let in_list = matches!(sealed.path.steps().last(), Some(Step::Index(_)));
    go_string(text, Some(BlockPlace { parent: place.parent_indent, in_list, step, behind: place.behind }))
}

/// How far the file indents, as its `sops` block shows: its first key is one step in.
fn indentation(document: &Item<'_>, text: &str) -> usize {
    let block = document.sops().map_or(0, |block| block.range().start);
    let line = text.get(..block).unwrap_or_default();
    let spaces = line.len() - line.trim_end_matches(' ').len();
    if spaces == 0 || !line.trim_end_matches(' ').ends_with('\n') { INDENT } else { spaces }
}
