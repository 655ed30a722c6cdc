//! The pipeline, as one readable function: text in, text out, and what there is to say.

use futures_util::future::join_all;
use zeroize::Zeroizing;

use crate::config::{Config, OnUnencrypted};
use crate::diagnostics::{Code, Diagnostic, Place, Problem, Report, Severity};
use crate::files::Files;
use crate::keys::{Environment, Keys};
use crate::krm::{Edits, Form, Input, Item};
use crate::locate::{Base, Locator};
use crate::open::{Opened, open};
use crate::recover::recover;
use crate::source::{Source, SourceId, Sources};
use crate::write::write_item;

/// What is asked of a run.
pub struct Request<'t> {
    /// The resources, as they came.
    pub input: &'t str,
    /// The config that came beside them (an exec plugin's file, `--config`); else it is the resource list's own.
    pub config: Option<&'t str>,
    /// Where paths start.
    pub base: Base,
}

/// What came of it.
pub struct Outcome {
    /// What stdout is to hold: decrypted resources, or on a refusal what the form of the input prescribes.
    pub stdout: Zeroizing<String>,
    /// All there is to say, in order.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the build is refused.
    pub refused: bool,
}

/// Decrypts what the rules allow, or nothing at all.
pub async fn run(request: Request<'_>, files: &dyn Files, environment: Environment) -> Outcome {
    let mut report = Report::default();
    let input = match Input::parse(request.input) {
        Ok(input) => input,
        Err(problem) => return refused_at_once(problem),
    };
    let config = match read_config(&request, &input) {
        Ok(config) => config,
        Err(problem) => return conclude(&input, None, refusing(report, problem)),
    };
    let keys = Keys::new(environment, &config.aws);
    let mut sources = Sources::new(files, &config, request.base, &input);
    let sealed = survey(&input, &config, &mut sources, &mut report);
    let opened = open_all(sources.into_sources(), &keys, &config).await;
    let edits = write_all(&input, &config, &sealed, &opened, &mut report);
    conclude(&input, Some(edits), report)
}
