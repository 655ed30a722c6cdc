//! stdin to stdout: the function, the exec plugin and the filter.

use std::cell::OnceCell;
use std::process::ExitCode;

use super::{refuse, say, stdin_text};
use crate::config::Config;
use crate::diagnostics::{Code, Problem};
use crate::edge::{self, Disk};
use crate::files::Files;
use crate::keys::{Keys, Settings};
use crate::locate::Base;
use crate::run::{Request, run};

/// Decrypts what stands on stdin. `config` is what came beside it.
#[must_use]
pub fn run_on_stdin(base: Base, config: Option<Config>) -> ExitCode {
    let prepared = is_there(&base).and_then(|()| Ok((stdin_text()?, ca_bundle()?)));
    let (input, ca_bundle) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => return refuse(problem),
    };
    let host = edge::host_name();
    let keys = |config: &Config| {
        Keys::new(Settings {
            max_concurrency: config.aws.max_concurrency,
            timeout: config.aws.timeout,
            keyservices: config.keyservices.clone(),
            host,
            ca_bundle,
        })
    };
    let extended = OnceCell::new();
    let outcome = run(Request { input: &input, extended: &extended, config, base }, &Disk, keys);
    say(&outcome.diagnostics);
    let written = edge::write_stdout(outcome.stdout.pieces());
    if written && !outcome.refused { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A directory that was built and is not there is a slip of the pen, even where `../` leads out of it to something.
fn is_there(base: &Base) -> Result<(), Problem> {
    match base {
        Base::Built { directory, .. } if Disk.canonical(directory).is_err() => {
            Err(Problem::new(Code::BadConfig, "the directory that was built is not there")
                .because(directory.display())
                .help("name the directory that `kustomize build` got: krm-sops decrypt -C DIR"))
        }
        _ => Ok(()),
    }
}

fn ca_bundle() -> Result<Option<Vec<u8>>, Problem> {
    edge::ca_bundle().map_err(|(path, error)| {
        Problem::new(Code::BadConfig, "the CA bundle that AWS_CA_BUNDLE names cannot be read")
            .because(format!("{path}: {error}"))
            .help("correct or unset AWS_CA_BUNDLE")
    })
}
