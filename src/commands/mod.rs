//! What people and orchestrators can ask for. Each command is the same core with another purpose.

pub mod check;
pub mod decrypt;
pub mod explain;
pub mod gate;
pub mod init;
pub mod install;
pub mod schema;

use std::process::ExitCode;

use crate::diagnostics::{Code, Diagnostic, Place, Problem, Report, Severity, render};
use crate::edge;

/// Ends with one problem.
#[must_use]
pub fn refuse(problem: Problem) -> ExitCode {
    let mut report = Report::default();
    report.add(Severity::Error, problem, Place::default());
    say(&report.into_diagnostics());
    ExitCode::FAILURE
}

/// Ends with a text on stdout.
#[must_use]
pub fn print(text: &str) -> ExitCode {
    if edge::write_stdout([text]) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes all that there is to say to stderr: kustomize shows no results, so it must be enough.
pub(crate) fn say(diagnostics: &[Diagnostic]) {
    let text: String = diagnostics.iter().map(render).collect();
    if !text.is_empty() {
        edge::write_stderr(&text);
    }
}

/// All of stdin as text.
///
/// # Errors
/// `bad-input`: it cannot be read, or is not UTF-8.
pub(crate) fn stdin_text() -> Result<String, Problem> {
    let bytes = edge::read_stdin().map_err(|why| {
        Problem::new(Code::BadInput, "stdin cannot be read")
            .because(why)
            .help("see what is written to it; what is as large as that has to be built in several parts")
    })?;
    String::from_utf8(bytes).map_err(|_| Problem::new(Code::BadInput, "stdin is not UTF-8"))
}
