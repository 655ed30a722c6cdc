//! Decrypted files as `sops -d` prints them, so that what is made from one (a hash in a name, say) is the same.
//!
//! YAML that was YAML is spliced elsewhere, since its comments and styles stand in the text; here is what is printed anew.

use zeroize::Zeroizing;

use super::file::{self, Format};
use super::tree::{Entries, Tree};
use super::value::EncryptedValue;
use super::{dotenv, ini};
use crate::diagnostics::{Code, Problem};
use crate::field_path::FieldPath;
use crate::secret::Plaintext;
use crate::yaml::emit::exact;

mod go_json;
mod go_yaml;
mod sections;

pub use go_yaml::{BlockPlace, string as go_string};

/// What stands in the place of a ciphertext: whoever answers vouches for it.
pub trait Reveal {
    /// The value that this text is the ciphertext of, under these keys.
    ///
    /// # Errors
    /// It has none there.
    fn value(&self, path: &FieldPath, text: &str) -> Result<Plaintext, Problem>;

    /// The comment that this text is the ciphertext of, below these keys. `None`: it cannot be opened, and stays as it is.
    fn comment(&self, path: &FieldPath, text: &str) -> Option<Plaintext>;
}

/// How a printed file is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// In a format of SOPS'.
    Formatted(Format),
    /// The content of `data` alone: what SOPS calls binary.
    Binary,
}

impl Output {
    /// What a file of this name is to SOPS, and to Flux, which takes a `.dockerconfigjson` for JSON.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let is = |suffix| name.ends_with(suffix);
        if is(".dockerconfigjson") || is(".json") {
            Self::Formatted(Format::Json)
        } else if is(".yaml") || is(".yml") {
            Self::Formatted(Format::Yaml)
        } else if is(".env") {
            Self::Formatted(Format::Dotenv)
        } else if is(".ini") {
            Self::Formatted(Format::Ini)
        } else {
            Self::Binary
        }
    }
}

/// Prints the encrypted file that this text is, decrypted. `None`: it is YAML and is to stay YAML, which has to be spliced.
///
/// # Errors
/// `bad-metadata`: the file does not fit the output. Those of [`Reveal::value`].
pub fn print(
    text: &str,
    format: Format,
    output: Output,
    reveal: &dyn Reveal,
) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
    let (documents, block) = file::read(text, format)?;
    if format == Format::Json
        && let Some(data) = wrapped(&documents, &block, output)
    {
        return binary(data, reveal).map(Some);
    }
    let output = match output {
        Output::Formatted(output) => output,
        // What is not wrapped has no form but its own.
        Output::Binary => format,
    };
    let printed = match (format, output) {
        (Format::Yaml, Format::Yaml) => return Ok(None),
        (Format::Dotenv, Format::Dotenv) => print_dotenv(text, reveal)?,
        (Format::Ini, Format::Ini) => sections::print(&ini::parse(text)?, reveal)?,
        (_, Format::Json) => go_json::print(single(&documents, "JSON")?, reveal)?,
        (_, Format::Yaml) => go_yaml::print(single(&documents, "YAML")?, reveal)?,
        (_, Format::Dotenv) => return Err(misfit("dotenv")),
        (_, Format::Ini) => return Err(misfit("INI")),
    };
    let mut printed = printed;
    Ok(Some(Zeroizing::new(std::mem::take(&mut *printed).into_bytes())))
}

/// What a file that SOPS calls binary wraps. It is the only one for which SOPS states no selector; another that has `data`
/// and nothing else is taken for one where its name asks for no format.
fn wrapped<'d>(documents: &'d [Entries], block: &Tree, output: Output) -> Option<&'d str> {
    let [entries] = documents else { return None };
    let [(name, Tree::Scalar(data))] = entries.as_slice() else { return None };
    let Tree::Map(block) = block else { return None };
    let states_selector =
        block.iter().any(|(key, _)| key.ends_with("encrypted_suffix") || key.ends_with("encrypted_regex"));
    (name == "data" && (output == Output::Binary || !states_selector)).then(|| data.as_str())?
}

fn binary(data: &str, reveal: &dyn Reveal) -> Result<Zeroizing<Vec<u8>>, Problem> {
    if !EncryptedValue::is_claimed_by(data) {
        return Ok(Zeroizing::new(data.as_bytes().to_vec()));
    }
    let value = reveal.value(&FieldPath::from(["data"]), data)?;
    Ok(Zeroizing::new(value.expose().to_vec()))
}

fn single<'d>(documents: &'d [Entries], output: &str) -> Result<&'d Entries, Problem> {
    match documents {
        [document] => Ok(document),
        _ => Err(misfit(output).because("it has more than one document")),
    }
}

fn misfit(output: &str) -> Problem {
    Problem::new(
        Code::BadInput,
        format!("an encrypted file cannot be written as {output}, which its key's name asks for"),
    )
    .help("name the key by the format of the file, such as `files: [config.yaml=secrets.enc.yaml]`")
}

fn print_dotenv(text: &str, reveal: &dyn Reveal) -> Result<Zeroizing<String>, Problem> {
    let mut pieces: Vec<Zeroizing<String>> = Vec::new();
    for line in dotenv::lines(text) {
        let (head, content) = match line {
            dotenv::Line::Comment(comment) => {
                (String::from("#"), revealed_comment(&FieldPath::root(), comment, reveal))
            }
            dotenv::Line::Entry { key, value } => {
                let plain = revealed(&FieldPath::from([key]), value, reveal)?;
                (format!("{key}="), Zeroizing::new(plain.replace('\n', "\\n")))
            }
        };
        pieces.extend([Zeroizing::new(head), content, Zeroizing::new(String::from("\n"))]);
    }
    Ok(exact(|sink| pieces.iter().for_each(|piece| sink(piece))))
}

/// A string of a format that has nothing but strings, decrypted where it is encrypted.
fn revealed(path: &FieldPath, text: &str, reveal: &dyn Reveal) -> Result<Zeroizing<String>, Problem> {
    if !EncryptedValue::is_claimed_by(text) {
        return Ok(Zeroizing::new(text.to_owned()));
    }
    let value = reveal.value(path, text)?;
    let text = value.expose_str().map(|text| Zeroizing::new(text.to_owned()));
    text.ok_or_else(|| Problem::new(Code::ValueCorrupt, "a value is not UTF-8, as text files are").at(path))
}

/// A comment, decrypted where it is encrypted and can be.
fn revealed_comment(path: &FieldPath, text: &str, reveal: &dyn Reveal) -> Zeroizing<String> {
    let value = if EncryptedValue::is_claimed_by(text) { reveal.comment(path, text) } else { None };
    let plain = value.as_ref().and_then(|value| value.expose_str());
    Zeroizing::new(plain.unwrap_or(text).to_owned())
}
