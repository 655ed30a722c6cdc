//! Instruction counts, which neither a busy machine nor a cold cache disturbs: three fixed inputs under valgrind's callgrind, against
//! the counts that are recorded. A count depends on the compiler, on what valgrind lets the program see of the CPU, and on
//! the C library; so it is compared only where they are those of the record, and else left out, loudly.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::measure::{Work, linkage};
use crate::standin::{Standin, Wire};
use crate::trees::Tree;

/// By how much a count may grow.
const GROWTH: f64 = 1.05;
/// What of the CPU the program goes by, and valgrind lets it see.
const CPU_FLAGS: [&str; 4] = ["aes", "avx2", "pclmulqdq", "ssse3"];

/// Compares, or records.
pub(crate) fn counts(binary: &Path, record: &Path, recording: bool) -> Result<(), Failure> {
    let skipped = |why: &str| {
        eprintln!("\nSKIPPED: instruction counts are not compared: {why}\n");
        Ok(())
    };
    let Some(mut surroundings) = surroundings() else { return skipped("valgrind or rustc is missing") };
    writeln!(surroundings, "# binary: {}", linkage(binary)?)?;
    let known = fs::read_to_string(record).unwrap_or_default();
    let known_surroundings: Vec<&str> = known.lines().filter(|line| line.starts_with("# ")).collect();
    if !recording && known_surroundings != surroundings.lines().collect::<Vec<_>>() {
        let known = known_surroundings.join("; ");
        return skipped(&format!(
            "they were recorded with other tools ({known}); `make counts` records anew"
        ));
    }
    let binary = fs::canonicalize(binary)?;
    let aws = Standin::start(Wire::Plain)?;
    let mut lines = surroundings;
    let mut grown = Vec::new();
    for (name, tree) in [
        ("start", Tree::plain(10)?),
        ("500-secrets-of-one-data-key", Tree::together(500)?),
        ("one-secret-among-2000-resources", Tree::haystack(2_000)?),
    ] {
        let count = count(&binary, &tree, &aws)?;
        writeln!(lines, "{name} {count}")?;
        let before = known.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = before.map(|before| count as f64 / before as f64);
        let shown = ratio.map_or_else(String::new, |ratio| format!(", {ratio:.3} of what is recorded"));
        println!("{name}: {count} instructions{shown}");
        if ratio.is_none_or(|ratio| ratio > GROWTH) {
            grown.push(name);
        }
    }
    if recording {
        return Ok(fs::write(record, lines)?);
    }
    if grown.is_empty() {
        return Ok(());
    }
    let what = "grew by more than 5 %. Find out why, or record the new counts with `make counts` and say why";
    Err(format!("the instruction counts of {} {what}", grown.join(", ")).into())
}

/// What a count depends on, a line each.
fn surroundings() -> Option<String> {
    let said = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags: Vec<&str> =
        cpu.lines().find(|line| line.starts_with("flags")).unwrap_or_default().split(' ').collect();
    let cpu: Vec<&str> = CPU_FLAGS.into_iter().filter(|flag| flags.contains(flag)).collect();
    Some(format!("# {}\n# {}\n# cpu: {}\n", said("rustc")?, said("valgrind")?, cpu.join(" ")))
}

/// How many instructions a run takes, in all its threads.
fn count(binary: &Path, tree: &Tree, aws: &Standin) -> Result<u64, Failure> {
    let log = tree.path("valgrind.log");
    let option = |name: &str, value: &Path| {
        let mut option = OsString::from(name);
        option.push(value);
        option
    };
    Work::new("valgrind", &tree.path("build"))
        .argument("--tool=callgrind")
        .argument(option("--callgrind-out-file=", Path::new("/dev/null")))
        .argument(option("--log-file=", &log))
        .argument(binary)
        .argument(tree.path("config.yaml"))
        .stdin(tree.path("input.yaml"))
        .env("KUSTOMIZE_PLUGIN_CONFIG_ROOT", tree.path("build"))
        .env("AWS_ENDPOINT_URL", &aws.url)
        .run(&tree.path("out.yaml"))?;
    let log = fs::read_to_string(log)?;
    let collected = log.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok());
    collected.ok_or_else(|| "callgrind says no count".into())
}
