//! (Item, [`Opened`]) → edits: each ciphertext of the item becomes what was opened for it.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::config::StripOrigin;
use crate::diagnostics::{Code, Problem, Severity};
use crate::field_path::FieldPath;
use crate::krm::{Edits, Item, SealedScalar};
use crate::open::{Opened, OpenedValue};
use crate::secret::{Plaintext, ValueType};
use crate::sops::{Rendered, yaml_of};
use crate::yaml::emit;

/// The annotations that kustomize's `buildMetadata` adds.
const BUILD_METADATA: [&str; 2] =
    ["config.kubernetes.io/origin", "alpha.config.kubernetes.io/transformations"];

/// What there is to say about an item.
type Said = Vec<(Severity, Problem)>;

/// Writes the opened values into an item's place, and takes its `sops` block out.
pub fn write_item(item: &Item<'_>, opened: &Opened, edits: &mut Edits) -> Said {
    let mut said = Said::new();
    let mut documents: Option<BTreeSet<usize>> = None;
    let mut strings = Vec::new();
    let mut foreign = Vec::new();
    for sealed in item.sealed() {
        match opened.value(&sealed.path, sealed.text) {
            Ok(value) => {
                if is_string_field(item, &sealed.path) && !is_text(value.plaintext()) {
                    strings.push(sealed.path.to_string());
                }
                narrow(&mut documents, &value);
                edits.replace_scalar(&sealed, text_of(item, &sealed, &value));
            }
            Err(problem) => foreign.push(problem),
        }
    }
    if documents.is_some_and(|documents| documents.is_empty()) {
        foreign.push(
            Problem::new(Code::NotInOrigin, "the item mixes values of several documents of its origin file")
                .because("no document of the file holds all of its encrypted values"),
        );
    }
    said.extend(refusals(item, opened, foreign).into_iter().map(|problem| (Severity::Error, problem)));
    if !strings.is_empty() {
        let problem =
            Problem::new(Code::NotAString, "a value that is not a string in its source was written as one");
        said.push((Severity::Warning, problem.at(strings.join(", "))));
    }
    write_comments(item, opened, edits);
    if let Err(problem) = edits.remove_entry(item, "sops") {
        said.push((Severity::Error, problem));
    }
    said.extend(plain_values(item, opened).map(|problem| (Severity::Info, problem)));
    said
}

/// Takes the origin annotations off an item, where the config says so.
///
/// # Errors
/// `bad-input`: something else in the item refers to one by a YAML alias.
pub fn strip_origin(
    item: &Item<'_>,
    decrypted: bool,
    strip: StripOrigin,
    edits: &mut Edits,
) -> Result<(), Problem> {
    match strip {
        StripOrigin::All => edits.remove_annotations(item, &BUILD_METADATA),
        StripOrigin::Decrypted if decrypted => edits.remove_annotations(item, &BUILD_METADATA),
        StripOrigin::Decrypted | StripOrigin::None => Ok(()),
    }
}

/// Keeps the documents that hold this value as well as all before it.
fn narrow(documents: &mut Option<BTreeSet<usize>>, value: &OpenedValue<'_>) {
    if let Some(holders) = value.documents() {
        *documents = Some(match documents.take() {
            Some(known) => known.intersection(holders).copied().collect(),
            None => holders.clone(),
        });
    }
}

fn text_of(item: &Item<'_>, sealed: &SealedScalar<'_>, value: &OpenedValue<'_>) -> Zeroizing<String> {
    match yaml_of(value.plaintext()) {
        Rendered::Text(text) => emit::string(text, &sealed.place),
        // JSON has no plain form for a time or an infinity.
        Rendered::Plain(text) if is_string_field(item, &sealed.path) || !fits(&text, sealed) => {
            emit::string(&text, &sealed.place)
        }
        Rendered::Plain(text) => text,
        Rendered::Binary(base64) => Zeroizing::new(format!("!!binary {}", *base64)),
    }
}

fn fits(plain: &str, sealed: &SealedScalar<'_>) -> bool {
    !sealed.place.json
        || matches!(plain, "true" | "false" | "null")
        || plain.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether Kubernetes wants a string there: `data` and `stringData` of a Secret or `ConfigMap`.
fn is_string_field(item: &Item<'_>, path: &FieldPath) -> bool {
    let mut keys = path.keys();
    let field = keys.next();
    let strings = field == Some("data") || field == Some("stringData");
    strings
        && keys.next().is_some()
        && keys.next().is_none()
        && item.api_version() == "v1"
        && (item.is_kind("Secret") || item.is_kind("ConfigMap"))
}

fn is_text(plaintext: &Plaintext) -> bool {
    matches!(plaintext.kind(), ValueType::Str | ValueType::Bytes)
}

/// Values that the origin file does not vouch for. Where the item's `sops` block is not the file's either, another
/// encrypted file was merged in.
fn refusals(item: &Item<'_>, opened: &Opened, foreign: Vec<Problem>) -> Vec<Problem> {
    let Some(first) = foreign.first() else { return Vec::new() };
    let mac = item.sops().and_then(|block| block.find("mac")).and_then(|mac| mac.text());
    if mac.is_none_or(|mac| opened.states_mac(mac)) || first.code != Code::NotInOrigin {
        return foreign;
    }
    let fields: Vec<&str> = foreign.iter().filter_map(|problem| problem.field.as_deref()).collect();
    let mut problem = Problem::new(Code::MixedDataKeys, "the item holds values of more than one data key")
        .at(fields.join(", "))
        .because(
            "its `sops` block is not that of its origin file: another encrypted file was merged over it",
        );
    if let Some(transformations) = item.annotation("alpha.config.kubernetes.io/transformations") {
        for place in transformations.lines().filter_map(|line| line.split_once("configuredIn: ")) {
            problem = problem.because(format!("it was transformed by {}", place.1));
        }
    }
    vec![problem]
}

/// Comments are outside the MAC. One that does not open stays as it is, as with sops.
fn write_comments(item: &Item<'_>, opened: &Opened, edits: &mut Edits) {
    for sealed in item.sealed_comments() {
        let value = opened.comment(&sealed.path, sealed.text);
        if let Some(text) = value.as_ref().and_then(|value| value.plaintext().expose_str()) {
            edits.replace_comment(&sealed, text);
        }
    }
}

/// Plain values where the selector encrypts. The file has none, so a patch brought them in.
fn plain_values(item: &Item<'_>, opened: &Opened) -> Option<Problem> {
    let mut fields = Vec::new();
    item.each_scalar(|trail, node| {
        let added_by_kustomize =
            matches!(trail.keys().next(), Some("apiVersion" | "kind" | "metadata") | None);
        let text = node.text().unwrap_or_default();
        let is_value =
            !text.is_empty() && text != "null" && text != "~" && !text.starts_with("ENC[AES256_GCM,");
        if is_value && !added_by_kustomize {
            let path = trail.to_path();
            if opened.covers(&path) == Some(true) {
                fields.push(path.to_string());
            }
        }
    });
    let what = "a plain value stands where the file's selector encrypts: a patch brought it in";
    (!fields.is_empty()).then(|| Problem::new(Code::PlainValue, what).at(fields.join(", ")))
}
