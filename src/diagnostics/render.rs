//! The one renderer: `error[code]: what`, then indented lines.

use std::fmt::Write as _;

use super::Diagnostic;

/// Renders a diagnostic for people, with a newline at its end.
#[must_use]
pub fn render(diagnostic: &Diagnostic) -> String {
    let problem = &diagnostic.problem;
    let mut text =
        format!("{}[{}]: {}\n", diagnostic.severity, problem.code, escape_untrusted(&problem.what));
    let mut line = |label: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {label:>6}: {}", escape_untrusted(value));
    };
    for subject in &diagnostic.subjects {
        for item in &subject.items {
            line("item", &item.to_string());
        }
        if let Some(origin) = &subject.origin {
            line("origin", origin);
        }
    }
    if let Some(rule) = &diagnostic.rule {
        line("rule", rule);
    }
    if let Some(field) = &problem.field {
        line("field", field);
    }
    for cause in &problem.causes {
        line("cause", cause);
    }
    line("help", diagnostic.help());
    text
}

/// Shows control and bidirectional characters of untrusted text as escapes, so that a name from a repository can neither
/// move the cursor nor disguise itself, and puts what has several lines on one.
#[must_use]
pub fn escape_untrusted(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_format(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Characters that are invisible or change the direction of what follows them.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{Code, ItemName, Problem, Severity, Subject};

    #[test]
    fn every_line_in_its_order() {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            problem: Problem::new(Code::ValueCorrupt, "an encrypted value cannot be opened")
                .at("data.password")
                .because("the authentication tag does not fit"),
            rule: Some(".sops.yaml: creation rule 1 (path_regex: ^secrets/)".into()),
            subjects: vec![Subject {
                items: vec![ItemName {
                    api_version: "v1".into(),
                    kind: "Secret".into(),
                    namespace: "default".into(),
                    name: "db".into(),
                    index: 0,
                }],
                origin: Some("secrets/db.yaml".into()),
            }],
        };
        insta::assert_snapshot!(render(&diagnostic), @r"
        error[value-corrupt]: an encrypted value cannot be opened
            item: Secret default/db
          origin: secrets/db.yaml
            rule: .sops.yaml: creation rule 1 (path_regex: ^secrets/)
           field: data.password
           cause: the authentication tag does not fit
            help: restore the file from version control; a value must not be copied between files or keys by hand
        ");
    }

    #[test]
    fn untrusted_text_stays_on_its_line() {
        assert_eq!(escape_untrusted("a\nb\u{1b}[2J\u{202e}x"), "a\\nb\\u{1b}[2J\\u{202e}x");
    }
}
