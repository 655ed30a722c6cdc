//! Collects what a run has to say, so that equal problems become one message.

use std::collections::HashMap;

use super::{Diagnostic, ItemName, Problem, Severity, Subject};

/// Where a problem was met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'p> {
    /// The item.
    pub item: Option<&'p ItemName>,
    /// The file that it came from.
    pub origin: Option<&'p str>,
    /// The creation rule that covers it.
    pub rule: Option<&'p str>,
}

/// The diagnostics of a run, in the order in which they were first met.
#[derive(Debug, Default)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    known: HashMap<(Severity, Problem, Option<String>), usize>,
}

impl Report {
    /// Adds a problem; to the message that is already there, where the same problem was met before.
    pub fn add(&mut self, severity: Severity, problem: Problem, place: Place<'_>) {
        let rule = place.rule.map(str::to_owned);
        let next = self.diagnostics.len();
        let position = *self.known.entry((severity, problem.clone(), rule.clone())).or_insert(next);
        if position == next {
            self.diagnostics.push(Diagnostic { rule, ..Diagnostic::new(severity, problem) });
        }
        if let Some(diagnostic) = self.diagnostics.get_mut(position) {
            add_subject(&mut diagnostic.subjects, place);
        }
    }

    /// Whether anything refuses the build.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// All that was said.
    #[must_use]
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }
}

fn add_subject(subjects: &mut Vec<Subject>, place: Place<'_>) {
    if place.item.is_none() && place.origin.is_none() {
        return;
    }
    let origin = place.origin.map(str::to_owned);
    // Items of one file follow each other, so only the last subject can be theirs.
    match subjects.last_mut() {
        Some(last) if last.origin == origin => last.items.extend(place.item.cloned()),
        _ => subjects.push(Subject { items: place.item.cloned().into_iter().collect(), origin }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Code;

    fn item(name: &str) -> ItemName {
        ItemName { kind: "Secret".into(), name: name.into(), ..ItemName::default() }
    }

    #[test]
    fn equal_problems_are_one_message() {
        let mut report = Report::default();
        for (name, origin) in [("a", "x.yaml"), ("b", "x.yaml"), ("c", "y.yaml")] {
            let problem = Problem::new(Code::KmsUnreachable, "KMS cannot be reached");
            let place = Place { item: Some(&item(name)), origin: Some(origin), rule: None };
            report.add(Severity::Error, problem, place);
        }
        assert!(report.refuses());
        let [only] = report.into_diagnostics().try_into().unwrap();
        insta::assert_snapshot!(crate::diagnostics::render(&only), @r"
        error[kms-unreachable]: KMS cannot be reached
            item: Secret a
            item: Secret b
          origin: x.yaml
            item: Secret c
          origin: y.yaml
            help: check network, DNS, proxy and CA bundle; a container function needs `network: true` and --network
        ");
    }

    #[test]
    fn warnings_do_not_refuse() {
        let mut report = Report::default();
        report.add(Severity::Warning, Problem::new(Code::NotAString, "x"), Place::default());
        assert!(!report.refuses());
    }
}
