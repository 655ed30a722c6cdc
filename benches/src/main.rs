//! Measures krm-sops: `make bench`. What came of it is in docs/performance.md and docs/scale.md.

mod compare;
mod counts;
mod floor;
mod measure;
mod scale;
mod sealer;
mod standin;
mod table;
mod trees;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

/// Whatever went wrong: there is nothing to do but to say it.
type Failure = Box<dyn Error + Send + Sync>;

const HELP: &str = "\
usage: krm-sops-benches COMMAND
  compare BINARY TOOLS [KSOPS]   the table of docs/performance.md; TOOLS holds kustomize and sops
  counts BINARY FILE [--record]  instruction counts under valgrind, against those in FILE
  scale                          the simulation of docs/scale.md
  tree KIND NUMBER               a tree to profile with, and how to run krm-sops on it; KIND is separate, together or haystack
  standin [MILLISECONDS]         a stand-in for AWS, until its standard input ends
";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let (command, rest) = arguments
        .split_first()
        .map_or(("", &[][..]), |(command, rest)| (command.to_str().unwrap_or_default(), rest));
    let done = match (command, rest) {
        ("compare", [binary, tools]) => compare::compare(binary.as_ref(), tools.as_ref(), None),
        ("compare", [binary, tools, ksops]) => {
            compare::compare(binary.as_ref(), tools.as_ref(), Some(ksops.as_ref()))
        }
        ("counts", [binary, file]) => counts::counts(binary.as_ref(), file.as_ref(), false),
        ("counts", [binary, file, record]) if record == "--record" => {
            counts::counts(binary.as_ref(), file.as_ref(), true)
        }
        ("scale", []) => {
            scale::scale();
            Ok(())
        }
        ("tree", [kind, number]) => tree(kind, number),
        ("standin", latency) => standin(latency),
        // Of this program's own, not for people.
        ("measured", rest) => measure::measured(rest),
        ("floor", rest) => floor::floor(rest),
        _ => Err(HELP.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn tree(kind: &OsString, number: &OsString) -> Result<(), Failure> {
    let number = number.to_string_lossy().parse()?;
    let tree = match kind.to_string_lossy().as_ref() {
        "separate" => trees::Tree::separate(number)?,
        "together" => trees::Tree::together(number)?,
        "haystack" => trees::Tree::haystack(number)?,
        _ => return Err(HELP.into()),
    };
    let root = tree.keep();
    let root = root.display();
    println!("KUSTOMIZE_PLUGIN_CONFIG_ROOT={root}/build krm-sops {root}/config.yaml <{root}/input.yaml");
    Ok(())
}

fn standin(latency: &[OsString]) -> Result<(), Failure> {
    let standin = standin::Standin::start(standin::Wire::Plain)?;
    if let Some(latency) = latency.first().and_then(|latency| latency.to_str()) {
        standin.behaviour().latency.store(latency.parse()?, Ordering::Relaxed);
    }
    println!("{}", standin.url);
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
    println!("{:?}", standin.take_calls());
    Ok(())
}
