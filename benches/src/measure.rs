//! What a command took: time, CPU, memory.
//!
//! A child's peak memory starts from that of the process that forked it. So this program starts itself once more for each measurement, as a
//! small process that starts the command, waits for it, and writes down what the kernel says.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use wait4::Wait4 as _;

use crate::Failure;

/// A command that can be started again and again.
#[derive(Clone)]
pub(crate) struct Work {
    program: PathBuf,
    arguments: Vec<OsString>,
    directory: PathBuf,
    stdin: Option<PathBuf>,
    environment: Vec<(&'static str, OsString)>,
}

/// What one run of it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// Milliseconds from its start to its end.
    pub(crate) wall: f64,
    /// Milliseconds of CPU, those of its children included.
    pub(crate) cpu: f64,
    /// The peak of its memory, in MiB; of the largest, where it has children.
    pub(crate) memory: f64,
}

impl Work {
    pub(crate) fn new(program: impl Into<PathBuf>, directory: &Path) -> Self {
        let (arguments, environment) = (Vec::new(), Vec::new());
        Self { program: program.into(), arguments, directory: directory.to_owned(), stdin: None, environment }
    }

    pub(crate) fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn stdin(mut self, file: PathBuf) -> Self {
        self.stdin = Some(file);
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// Runs it, with nothing of the caller's own AWS setup in reach, and its output in a file.
    pub(crate) fn run(&self, stdout: &Path) -> Result<Used, Failure> {
        let mut command = Command::new(env::current_exe()?);
        command.env_clear().current_dir(&self.directory);
        for name in ["PATH", "HOME", "TMPDIR"] {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        command
            .env("AWS_ACCESS_KEY_ID", "AKIABENCHES")
            .env("AWS_SECRET_ACCESS_KEY", "none")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("measured").arg(self.stdin.as_deref().unwrap_or(Path::new("/dev/null"))).arg(stdout);
        let output = command.arg(&self.program).args(&self.arguments).output()?;
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let number = |name: &str| said.get(name).and_then(Value::as_f64);
        let ok = said.get("ok").and_then(Value::as_bool);
        if let (Some(true), Some(wall), Some(cpu), Some(memory)) =
            (ok, number("wall"), number("cpu"), number("memory"))
        {
            return Ok(Used { wall, cpu, memory });
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // One problem may name thousands of items.
        let lines: Vec<&str> = said.lines().collect();
        let end = lines.get(lines.len().saturating_sub(10)..).unwrap_or_default();
        Err(format!("{} failed:\n{}", self.program.display(), end.join("\n")).into())
    }
}

/// The small process: `measured STDIN STDOUT PROGRAM ARGUMENT…`.
pub(crate) fn measured(arguments: &[OsString]) -> Result<(), Failure> {
    let [stdin, stdout, program, arguments @ ..] = arguments else { return Err("too few arguments".into()) };
    let (stdin, stdout) = (File::open(stdin)?, File::create(stdout)?);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout));
    let start = Instant::now();
    let child = command.spawn()?;
    let used = child.wait4()?;
    let wall = start.elapsed();
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "no process here takes 2^53 bytes")]
    let memory = used.rusage.maxrss as f64 / f64::from(1 << 20);
    let cpu = milliseconds(used.rusage.utime) + milliseconds(used.rusage.stime);
    println!(
        "{}",
        json!({"ok": used.status.success(), "wall": milliseconds(wall), "cpu": cpu, "memory": memory})
    );
    Ok(())
}

/// What some runs took: the median of each.
pub(crate) fn median(runs: &[Used]) -> Used {
    let middle = |of: fn(&Used) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        let upper = all.get(all.len() / 2).copied().unwrap_or(f64::NAN);
        let lower = all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN);
        f64::midpoint(lower, upper)
    };
    Used { wall: middle(|used| used.wall), cpu: middle(|used| used.cpu), memory: middle(|used| used.memory) }
}

/// Whether a binary brings its C library with it.
pub(crate) fn linkage(binary: &Path) -> Result<&'static str, Failure> {
    let is_static = !fs::read(binary)?.windows(9).any(|window| window == b"/ld-linux");
    Ok(if is_static { "static" } else { "linked to the C library" })
}
