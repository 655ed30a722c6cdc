//! Diagnostics as KRM results, which kpt shows to people and keeps for tools.
//!
//! The fields are those of `Result` in kustomize's `kyaml/fn/framework`.

use zeroize::Zeroizing;

use super::resource_list::List;
use super::{Edits, Input, column};
use crate::diagnostics::{Diagnostic, ItemName, escape_untrusted};
use crate::yaml::emit::{self, Behind, Place};

impl Edits {
    /// Reports diagnostics in a resource list: in place of the results that it came with, else at its end, in its own style.
    /// A stream has no place for them.
    pub fn set_results(&mut self, input: &Input, diagnostics: &[Diagnostic]) {
        let Some(list) = &input.list else { return };
        let entries: Vec<Fields> = diagnostics.iter().flat_map(results).collect();
        if list.flow {
            self.set_flow_results(list, &entries);
        } else {
            self.set_block_results(input, list, &entries);
        }
    }

    fn set_flow_results(&mut self, list: &List, entries: &[Fields]) {
        let objects: Vec<String> = entries.iter().map(Fields::json).collect();
        let results = format!("\"results\": [{}]", objects.join(", "));
        let (place, results) = match &list.results {
            Some(old) => (old.clone(), results),
            None => (list.last_entry_end..list.last_entry_end, format!(", {results}")),
        };
        self.replace(place, Zeroizing::new(results));
    }

    fn set_block_results(&mut self, input: &Input, list: &List, entries: &[Fields]) {
        let (text, newline) = (input.source.text, input.source.newline);
        let indent = column(text, list.range.start);
        let mut lines = vec![String::from(if entries.is_empty() { "results: []" } else { "results:" })];
        for entry in entries {
            entry.block(&mut lines);
        }
        let results = lines.join(&format!("{newline}{:indent$}", ""));
        let (place, results) = match &list.results {
            Some(old) => (old.clone(), results),
            None if text.get(..list.document_end).is_some_and(|document| document.ends_with('\n')) => {
                (list.document_end..list.document_end, format!("{:indent$}{results}{newline}", ""))
            }
            // To end the last line could add a newline to a value that stands there.
            None => (list.range.start..list.range.start, format!("{results}{newline}{:indent$}", "")),
        };
        self.replace(place, Zeroizing::new(results));
    }
}

/// Fields of a result: scalars, and mappings of scalars.
#[derive(Default)]
struct Fields(Vec<(&'static str, Field)>);

enum Field {
    Text(String),
    Fields(Fields),
}

/// One result for each item that a diagnostic is about; at least one.
fn results(diagnostic: &Diagnostic) -> Vec<Fields> {
    let mut results = Vec::new();
    for subject in &diagnostic.subjects {
        let origin = subject.origin.as_deref();
        results.extend(subject.items.iter().map(|item| result(diagnostic, Some(item), origin)));
        if subject.items.is_empty() {
            results.push(result(diagnostic, None, origin));
        }
    }
    if results.is_empty() {
        results.push(result(diagnostic, None, None));
    }
    results
}

fn result(diagnostic: &Diagnostic, item: Option<&ItemName>, origin: Option<&str>) -> Fields {
    let problem = &diagnostic.problem;
    let mut fields = Fields::default();
    fields.text("message", message(diagnostic));
    fields.text("severity", diagnostic.severity.to_string());
    if let Some(item) = item {
        fields.fields("resourceRef", resource_ref(item));
    }
    if let Some(origin) = origin {
        fields.fields("file", Fields::of("path", escape_untrusted(origin)));
    }
    if let Some(field) = &problem.field {
        fields.fields("field", Fields::of("path", escape_untrusted(field)));
    }
    let mut tags = Fields::of("code", problem.code.name().to_owned());
    if let Some(rule) = &diagnostic.rule {
        tags.text("rule", escape_untrusted(rule));
    }
    fields.fields("tags", tags);
    fields
}

/// What, why, and what to do, in one line: that is all that kpt shows besides the item and the field.
fn message(diagnostic: &Diagnostic) -> String {
    let mut message = diagnostic.problem.what.clone();
    for cause in &diagnostic.problem.causes {
        message.push_str(": ");
        message.push_str(cause);
    }
    message.push_str(" (");
    message.push_str(diagnostic.help());
    message.push(')');
    escape_untrusted(&message)
}

fn resource_ref(item: &ItemName) -> Fields {
    let mut fields = Fields::default();
    let all = [
        ("apiVersion", &item.api_version),
        ("kind", &item.kind),
        ("name", &item.name),
        ("namespace", &item.namespace),
    ];
    for (name, value) in all {
        if !value.is_empty() {
            fields.text(name, escape_untrusted(value));
        }
    }
    fields
}

impl Fields {
    fn of(name: &'static str, text: String) -> Self {
        Self(vec![(name, Field::Text(text))])
    }

    fn text(&mut self, name: &'static str, text: String) {
        self.0.push((name, Field::Text(text)));
    }

    fn fields(&mut self, name: &'static str, fields: Self) {
        self.0.push((name, Field::Fields(fields)));
    }

    /// As a JSON object, which is flow style, too.
    fn json(&self) -> String {
        let members = self.0.iter().map(|(name, field)| match field {
            Field::Text(text) => format!("\"{name}\": {}", scalar(text, true)),
            Field::Fields(fields) => format!("\"{name}\": {}", fields.json()),
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
    }

    /// As an item of a block list.
    fn block(&self, lines: &mut Vec<String>) {
        let mut marker = "- ";
        for (name, field) in &self.0 {
            match field {
                Field::Text(text) => lines.push(format!("{marker}{name}: {}", scalar(text, false))),
                Field::Fields(fields) if fields.0.is_empty() => lines.push(format!("{marker}{name}: {{}}")),
                Field::Fields(fields) => {
                    lines.push(format!("{marker}{name}:"));
                    for (name, field) in &fields.0 {
                        if let Field::Text(text) = field {
                            lines.push(format!("    {name}: {}", scalar(text, false)));
                        }
                    }
                }
            }
            marker = "  ";
        }
    }
}

fn scalar(text: &str, json: bool) -> String {
    let place =
        Place { flow: json, parent_indent: 0, json, newline: "\n", key: false, behind: Behind::Anything };
    emit::string(text, &place).to_string()
}

#[cfg(test)]
mod tests;
