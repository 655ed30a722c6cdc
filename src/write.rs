//! (Item, [`Opened`]) → edits: each ciphertext of the item becomes what was opened for it.

use std::collections::{BTreeSet, HashMap};

use zeroize::Zeroizing;

use crate::config::StripOrigin;
use crate::diagnostics::{Code, Problem, Severity};
use crate::field_path::FieldPath;
use crate::krm::{DataEdits, DataField, Edits, Item, SealedScalar};
use crate::open::{Opened, OpenedValue};
use crate::origin::Origin;
use crate::secret::{Plaintext, ValueType};
use crate::sops::{EncryptedValue, Format, Rendered, is_dotenv_metadata, yaml_of};
use crate::source::{Part, SourceId};
use crate::unpack::plain_file;
use crate::yaml::emit;

/// The annotations that kustomize's `buildMetadata` adds.
const BUILD_METADATA: [&str; 2] =
    ["config.kubernetes.io/origin", "alpha.config.kubernetes.io/transformations"];

/// What there is to say about an item, and about which of its sources.
pub type Said = Vec<(Severity, Problem, Option<SourceId>)>;

/// An encrypted part of an item, and what its sources were opened to.
pub struct OpenedPart<'s> {
    /// The part.
    pub part: &'s Part,
    /// Its sources.
    pub opened: Vec<(SourceId, &'s Opened)>,
}

/// Writes the opened values into an item's place, and takes the metadata out.
pub fn write_item(item: &Item<'_>, parts: &[OpenedPart<'_>], edits: &mut Edits) -> Said {
    let mut said = Said::new();
    let has_data = parts.iter().any(|part| !matches!(part.part, Part::Values(_)));
    let fields = if has_data { item.data_fields() } else { Vec::new() };
    let wrap = has_data && is_generated(item);
    let mut data = DataEdits { replaced: Vec::new(), removed: Vec::new(), wrap };
    for OpenedPart { part, opened } in parts {
        match part {
            Part::Values(_) => write_values(item, opened, edits, &mut said),
            Part::File { section, key, format, .. } => {
                let field = fields.iter().find(|field| field.section == *section && field.key == key);
                write_file(field, *format, opened, &mut data, &mut said);
            }
            Part::Lines(_) => write_lines(&fields, opened, &mut data, &mut said),
        }
    }
    if has_data && let Err(problem) = data.make(item, edits) {
        said.push((Severity::Error, problem, None));
    }
    said
}

/// Whether kustomize made the item, so that a hash of it goes into its name.
fn is_generated(item: &Item<'_>) -> bool {
    matches!(Origin::of(|name| item.annotation(name)), Ok(Origin::Generated { .. }))
}

/// A file becomes its plaintext.
fn write_file<'n>(
    field: Option<&'n DataField<'n>>,
    format: Format,
    opened: &[(SourceId, &Opened)],
    data: &mut DataEdits<'n>,
    said: &mut Said,
) {
    let (Some(field), Some((source, opened))) = (field, opened.first()) else { return };
    let text = std::str::from_utf8(&field.content).unwrap_or_default();
    match plain_file(text, format, field.key, opened) {
        Ok(plain) => data.replaced.push((field, plain)),
        Err(problem) => said.push((Severity::Error, problem.at(field.path()), Some(*source))),
    }
}

/// Lines of a dotenv file become theirs, as kustomize would have read them from the decrypted file.
fn write_lines<'n>(
    fields: &'n [DataField<'n>],
    opened: &[(SourceId, &Opened)],
    data: &mut DataEdits<'n>,
    said: &mut Said,
) {
    for field in fields {
        if is_dotenv_metadata(field.key) {
            data.removed.push(field.key);
            continue;
        }
        let text = std::str::from_utf8(&field.content).unwrap_or_default();
        if !EncryptedValue::is_claimed_by(text) {
            continue;
        }
        let path = FieldPath::from([field.key]);
        match value_in_any(opened, &path, text) {
            Ok((_, value)) => data.replaced.push((field, line_of(value.plaintext()))),
            Err((source, problem)) => said.push((Severity::Error, problem.at(field.path()), source)),
        }
    }
}

/// A value as it stands in a line: newlines escaped, and without the carriage return that kustomize takes for a part of the
/// line's end.
fn line_of(plaintext: &Plaintext) -> Zeroizing<Vec<u8>> {
    let escaped = emit::exact(|sink| {
        let text = plaintext.expose_str().unwrap_or_default();
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                sink("\\n");
            }
            sink(line);
        }
    });
    let line = escaped.strip_suffix('\r').unwrap_or(&escaped);
    Zeroizing::new(line.as_bytes().to_vec())
}

/// The value of a ciphertext in the first source that holds it; or what the first of them says, which is the item's origin.
fn value_in_any(
    opened: &[(SourceId, &Opened)],
    path: &FieldPath,
    text: &str,
) -> Result<(SourceId, OpenedValue), (Option<SourceId>, Problem)> {
    let mut first = None;
    for (source, opened) in opened {
        match opened.value(path, text) {
            Ok(value) => return Ok((*source, value)),
            Err(problem) => first = first.or(Some((Some(*source), problem))),
        }
    }
    let nobody = || Problem::new(Code::NotInOrigin, "no encrypted file holds the value").at(path);
    Err(first.unwrap_or_else(|| (None, nobody())))
}

fn write_values(item: &Item<'_>, opened: &[(SourceId, &Opened)], edits: &mut Edits, said: &mut Said) {
    let mut documents: HashMap<SourceId, BTreeSet<usize>> = HashMap::new();
    let mut strings = WrittenAsStrings::default();
    let mut foreign = Vec::new();
    for sealed in item.sealed() {
        match value_in_any(opened, &sealed.path, sealed.text) {
            Ok((source, value)) => {
                if is_string_field(item, &sealed.path) {
                    strings.note(&sealed.path, value.plaintext().kind());
                }
                narrow(&mut documents, source, &value);
                edits.replace_scalar(&sealed, text_of(item, &sealed, &value));
            }
            Err((_, problem)) => foreign.push(problem),
        }
    }
    if documents.values().any(BTreeSet::is_empty) {
        foreign.push(
            Problem::new(Code::NotInOrigin, "the item mixes values of several documents of its origin file")
                .because("no document of the file holds all of its encrypted values"),
        );
    }
    for problem in refusals(item, opened, foreign) {
        // It is about how they go together, so all of them are named.
        said.extend(opened.iter().map(|(source, _)| (Severity::Error, problem.clone(), Some(*source))));
    }
    let first = opened.first().map(|(source, _)| *source);
    said.extend(strings.problem().map(|problem| (Severity::Warning, problem, first)));
    write_comments(item, opened, edits);
    if let Err(problem) = edits.remove_entry(item, "sops") {
        said.push((Severity::Error, problem, first));
    }
    said.extend(plain_values(item, opened).map(|problem| (Severity::Info, problem, first)));
}

/// Whether the config wants the origin annotations off an item.
#[must_use]
pub fn strips_origin(decrypted: bool, strip: StripOrigin) -> bool {
    match strip {
        StripOrigin::All => true,
        StripOrigin::Decrypted => decrypted,
        StripOrigin::None => false,
    }
}

/// Takes the origin annotations off an item.
///
/// # Errors
/// `bad-input`: something else in the item refers to one by a YAML alias.
pub fn strip_origin(item: &Item<'_>, edits: &mut Edits) -> Result<(), Problem> {
    edits.remove_annotations(item, &BUILD_METADATA)
}

/// Keeps the documents of a source that hold this value as well as all before it.
fn narrow(documents: &mut HashMap<SourceId, BTreeSet<usize>>, source: SourceId, value: &OpenedValue) {
    if let Some(holders) = value.documents() {
        let known = documents.entry(source).or_insert_with(|| holders.clone());
        known.retain(|document| holders.contains(document));
    }
}

fn text_of(item: &Item<'_>, sealed: &SealedScalar<'_>, value: &OpenedValue) -> Zeroizing<String> {
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
        && item.name().api_version == "v1"
        && (item.name().kind == "Secret" || item.name().kind == "ConfigMap")
}

/// Values of other types that stand where Kubernetes wants strings.
#[derive(Default)]
struct WrittenAsStrings {
    places: Vec<String>,
    /// What their types may have lost on the way through sops. Nobody can tell whether a value did.
    forms: BTreeSet<&'static str>,
}

impl WrittenAsStrings {
    fn note(&mut self, path: &FieldPath, kind: ValueType) {
        let form = match kind {
            ValueType::Str | ValueType::Bytes | ValueType::Comment => return,
            ValueType::Int => "an integer in decimal (0777 becomes 511)",
            ValueType::Float => "a float at its shortest (1.50 becomes 1.5)",
            ValueType::Bool => "a boolean as true or false",
            ValueType::Time => "a time in RFC 3339 (2024-01-02 becomes 2024-01-02T00:00:00Z)",
        };
        self.places.push(path.to_string());
        self.forms.insert(form);
    }

    fn problem(self) -> Option<Problem> {
        if self.places.is_empty() {
            return None;
        }
        let forms = self.forms.into_iter().collect::<Vec<_>>().join(", ");
        let problem =
            Problem::new(Code::NotAString, "a value that is not a string in its source was written as one")
                .at(self.places.join(", "))
                .because(format!("sops keeps such a value and not how it was written: {forms}"));
        Some(problem)
    }
}

/// Values that the origin file does not vouch for. Where the item's `sops` block is not the file's either, another
/// encrypted file was merged in.
fn refusals(item: &Item<'_>, opened: &[(SourceId, &Opened)], foreign: Vec<Problem>) -> Vec<Problem> {
    let Some(first) = foreign.first() else { return Vec::new() };
    let mac =
        item.sops().and_then(|block| block.read(|block| Some(block.find("mac")?.text()?.to_owned()))?);
    let is_stated = |mac: String| opened.iter().any(|(_, opened)| opened.states_mac(&mac));
    if mac.is_none_or(is_stated) || first.code != Code::NotInOrigin {
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
fn write_comments(item: &Item<'_>, opened: &[(SourceId, &Opened)], edits: &mut Edits) {
    for sealed in item.sealed_comments() {
        let value = opened.iter().find_map(|(_, opened)| opened.comment(&sealed.path, sealed.text));
        if let Some(text) = value.as_ref().and_then(|value| value.plaintext().expose_str()) {
            edits.replace_comment(&sealed, text);
        }
    }
}

/// Plain values where the selector encrypts. The file has none, so a patch brought them in.
fn plain_values(item: &Item<'_>, opened: &[(SourceId, &Opened)]) -> Option<Problem> {
    let mut fields = Vec::new();
    item.each_scalar(|trail, node| {
        let added_by_kustomize =
            matches!(trail.keys().next(), Some("apiVersion" | "kind" | "metadata") | None);
        let text = node.text().unwrap_or_default();
        let is_value =
            !text.is_empty() && text != "null" && text != "~" && !text.starts_with("ENC[AES256_GCM,");
        if is_value && !added_by_kustomize {
            let path = trail.to_path();
            if opened.iter().any(|(_, opened)| opened.covers(&path) == Some(true)) {
                fields.push(path.to_string());
            }
        }
    });
    let what = "a plain value stands where the file's selector encrypts: a patch brought it in";
    (!fields.is_empty()).then(|| Problem::new(Code::PlainValue, what).at(fields.join(", ")))
}
