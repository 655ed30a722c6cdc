//! What is said to people and to orchestrators: codes, places, causes, and what to do.
//!
//! Nothing here may hold a secret, so this module knows none of the secret types; whoever reports from where plaintext
//! lives gives a path and a kind, never an inner error that echoes its input.

mod code;
mod render;
mod report;

pub use code::{Code, Severity};
pub use render::{escape_untrusted, render};
pub use report::{Place, Report};

use std::fmt;

/// What went wrong, as the module that found it knows it: without the item, which only the pipeline knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// What kind of problem.
    pub code: Code,
    /// What failed, in one sentence without a full stop.
    pub what: String,
    /// The path of the value or field concerned.
    pub field: Option<String>,
    /// Why, from the outermost cause to the innermost.
    pub causes: Vec<String>,
    /// What to do, where there is better advice than the code's own.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of this kind: `what` failed.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), field: None, causes: Vec::new(), help: None }
    }

    /// Names the value or field concerned.
    #[must_use]
    pub fn at(mut self, field: impl fmt::Display) -> Self {
        self.field = Some(field.to_string());
        self
    }

    /// Adds a cause beneath those already there.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Says what to do, instead of the code's own advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The item that a diagnostic is about, as KRM results name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemName {
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// `metadata.namespace`; empty for none.
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// Its zero-based position in the input, which tells apart items of one name.
    pub index: usize,
}

impl fmt::Display for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind.is_empty() { "(no kind)" } else { &self.kind };
        let name = if self.name.is_empty() { "(no name)" } else { &self.name };
        match self.namespace.as_str() {
            "" => write!(f, "{kind} {name}"),
            namespace => write!(f, "{kind} {namespace}/{name}"),
        }
    }
}

/// Some items that came from one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The items.
    pub items: Vec<ItemName>,
    /// The file that they came from, as people know it.
    pub origin: Option<String>,
}

/// A problem, how bad it is, and all that it befell: one unreachable endpoint is one message, however many files need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it refuses the build.
    pub severity: Severity,
    /// What and why.
    pub problem: Problem,
    /// The creation rule concerned: its file, its position, its `path_regex`.
    pub rule: Option<String>,
    /// What it befell; nothing where it is about the input or the config.
    pub subjects: Vec<Subject>,
}

impl Diagnostic {
    /// A diagnostic that is about no item.
    #[must_use]
    pub fn new(severity: Severity, problem: Problem) -> Self {
        Self { severity, problem, rule: None, subjects: Vec::new() }
    }

    /// What to do: the problem's own advice, else its code's.
    #[must_use]
    pub fn help(&self) -> &str {
        self.problem.help.as_deref().unwrap_or_else(|| self.problem.code.help())
    }
}
