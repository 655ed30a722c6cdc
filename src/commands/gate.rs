//! `gate`: nothing encrypted leaves a pipeline. kustomize skips an exec function silently where `--enable-exec` is
//! missing, and then prints ciphertext with exit status 0; its generators read encrypted files as if they were any others.
//!
//! Comments are not looked at: nothing applies them. A manifest of nothing at all is refused: without `pipefail`, a shell passes over
//! the build that failed before the gate, and whoever applies nothing may prune everything.

use std::process::ExitCode;

use super::{print, refuse, say, stdin_text};
use crate::diagnostics::{Code, Place, Problem, Report, Severity};
use crate::field_path::{FieldPath, Step};
use crate::krm::{Input, Item};
use crate::sops::{Ciphertext, detect, is_dotenv_metadata};
use crate::yaml::Node;

/// How many fields of an item are named at most.
const MOST_NAMED: usize = 20;

/// Passes stdin through, if no item of it is encrypted.
#[must_use]
pub fn run() -> ExitCode {
    let text = match stdin_text() {
        Ok(text) => text,
        Err(problem) => return refuse(problem),
    };
    let input = match Input::parse(&text) {
        Ok(input) => input,
        Err(problem) => return refuse(problem),
    };
    if input.items.is_empty() {
        return refuse(
            Problem::new(Code::BadInput, "the manifest holds no resource")
                .because("the command before the gate printed nothing, perhaps because it failed")
                .help("see what it said; `set -o pipefail` makes a shell fail with it"),
        );
    }
    let mut report = Report::default();
    for item in &input.items {
        let place = Place { item: Some(item.name()), ..Place::default() };
        for problem in Found::in_item(&item.item()).into_problems() {
            report.add(Severity::Error, problem, place);
        }
    }
    let refused = report.refuses();
    say(&report.into_diagnostics());
    if refused { ExitCode::FAILURE } else { print(&text) }
}

/// The fields of an item that are encrypted, by how they came to be.
#[derive(Default)]
struct Found {
    /// The item is encrypted itself, or a part of it is.
    resource: Vec<String>,
    /// A value holds an encrypted file, or what a generator made of one.
    file: Vec<String>,
    /// An annotation holds a copy of something encrypted.
    annotation: Vec<String>,
}

impl Found {
    fn in_item(item: &Item<'_>) -> Self {
        let mut found = Self::default();
        item.each_scalar(|trail, node| {
            if let Some(form) = node.text().and_then(|text| detect(text.as_bytes())) {
                let field = described(&trail.to_path(), form);
                if trail.keys().any(|key| key == "annotations") {
                    found.annotation.push(field);
                } else if form == Ciphertext::Values {
                    found.resource.push(field);
                } else {
                    found.file.push(field);
                }
            }
        });
        found.in_data(item.node(), &mut FieldPath::root());
        if item.sops().is_some() {
            found.resource.push(String::from("sops"));
        } else if !found.file.is_empty() {
            // Values that `envs:` took out of the same file.
            found.file.append(&mut found.resource);
            found.file.sort();
            found.file.dedup();
        }
        found
    }

    /// What only the data of a resource can hide: base64, and the metadata of a dotenv file, scattered over its keys.
    fn in_data(&mut self, resource: &Node<'_>, path: &mut FieldPath) {
        for field in ["data", "stringData", "binaryData"] {
            for entry in resource.find(field).map(Node::entries).unwrap_or_default() {
                let key = entry.key.text().unwrap_or_default();
                path.push(Step::Key(field.to_owned()));
                path.push(Step::Key(key.to_owned()));
                if is_dotenv_metadata(key) {
                    self.file.push(path.to_string());
                } else if let Some(form) =
                    entry.value.text().filter(|_| field != "stringData").and_then(inside_base64)
                {
                    self.file.push(described(path, form));
                }
                path.pop();
                path.pop();
            }
        }
        // kubectl applies the items of a list, too.
        for (index, item) in resource.find("items").map(Node::items).unwrap_or_default().iter().enumerate() {
            path.push(Step::Key(String::from("items")));
            path.push(Step::Index(index));
            self.in_data(item, path);
            path.pop();
            path.pop();
        }
    }

    fn into_problems(self) -> impl Iterator<Item = Problem> {
        let resource = Problem::new(Code::LeftEncrypted, "the manifest holds an item that was not decrypted")
            .because("the transformer did not run: kustomize skips an exec function without --enable-exec, and says nothing")
            .help("build with --enable-alpha-plugins and, for exec functions, --enable-exec");
        let file = Problem::new(Code::LeftEncrypted, "the manifest holds an encrypted file as data")
            .because("a generator read a file that sops encrypted, and nothing decrypted what it made of it")
            .help("build with krm-sops as a transformer, or as the filter before this gate; it decrypts such files where their generator names them");
        let annotation = Problem::new(Code::LeftEncrypted, "an annotation of the item holds ciphertext")
            .because("it is a copy of something encrypted, such as kubectl's last-applied-configuration, and no transformer looks into copies")
            .help("take the annotation out of the source");
        [(resource, self.resource), (file, self.file), (annotation, self.annotation)]
            .into_iter()
            .filter(|(_, fields)| !fields.is_empty())
            .map(|(problem, fields)| problem.at(listed(fields)))
    }
}

/// What base64 hides, be it broken into lines or not.
fn inside_base64(text: &str) -> Option<Ciphertext> {
    // Nothing that sops encrypted is shorter.
    let decoded = (text.len() >= 16).then(|| base64_simd::forgiving_decode_to_vec(text.as_bytes()).ok());
    detect(&decoded??)
}

/// A field and, where that is more than a value, what it holds.
fn described(path: &FieldPath, form: Ciphertext) -> String {
    match form {
        Ciphertext::Values => path.to_string(),
        file => format!("{path} ({file})"),
    }
}

fn listed(mut fields: Vec<String>) -> String {
    let more = fields.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        fields.truncate(MOST_NAMED);
        fields.push(format!("and {more} more"));
    }
    fields.join(", ")
}
