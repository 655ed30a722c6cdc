//! What a run must say.

use krm_sops::diagnostics::Code;

use super::aws::Lab;
use super::build::Mode;
use super::canary;
use super::platform::Platform;
use super::repo::Repo;
use super::run::Finished;

/// Asserts that a run was refused with one of these codes, said all of this on stderr, and gave no secret of the lab or
/// the repository away.
#[track_caller]
pub(crate) fn refused(lab: &Lab, repo: &Repo, finished: &Finished, codes: &[Code], also: &[&str]) {
    assert!(finished.code.is_some_and(|code| code != 0), "it should have been refused: {finished}");
    canary::assert_silent(finished, &canary::secrets(lab, repo));
    let said = |code: &Code| finished.stderr.contains(&format!("error[{code}]"));
    assert!(codes.iter().any(said), "it should have said {codes:?}: {finished}");
    for text in also {
        assert!(finished.stderr.contains(text), "it should have said {text:?}: {finished}");
    }
}

/// Asserts that a run succeeded, and said this on the way: `warning` or `info`, the code, and more.
#[track_caller]
pub(crate) fn said(finished: &Finished, severity: &str, code: Code, also: &[&str]) {
    assert!(finished.code == Some(0), "it should have succeeded: {finished}");
    let head = format!("{severity}[{code}]");
    assert!(finished.stderr.contains(&head), "it should have said {head}: {finished}");
    for text in also {
        assert!(finished.stderr.contains(text), "it should have said {text:?}: {finished}");
    }
}

impl Platform {
    /// Asserts that building `directory` is refused in every mode: with one of these codes, saying all of this, and with
    /// no secret on either stream.
    #[track_caller]
    pub(crate) fn assert_refused(&self, directory: &str, codes: &[Code], also: &[&str]) {
        for mode in Mode::ALL {
            let finished = self.lab.build(&self.repo, directory, mode);
            refused(&self.lab, &self.repo, &finished, codes, also);
            assert!(finished.stdout.is_empty(), "{mode:?} printed something to apply: {finished}");
        }
    }
}
