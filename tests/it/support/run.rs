//! Running programs: with a clean environment, a time limit, and all they said in the message when they fail.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any run takes on a busy machine; a program that hangs fails the test instead of stopping the suite.
const LIMIT: Duration = Duration::from_secs(90);

/// The binary under test.
pub(crate) fn krm_sops() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_krm-sops"))
}

/// A file of the repository that the tests belong to.
pub(crate) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A tool below `.tools`.
pub(crate) fn tool(path: &str) -> PathBuf {
    let found = source(".tools").join(path);
    assert!(found.exists(), "{} is missing: run `make tools`", found.display());
    found
}

/// A command that sees nothing of the tester's own environment but where programs and temporary files are.
pub(crate) fn command(program: &Path) -> Command {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    let home = HOME.get_or_init(|| tempfile::tempdir().expect("a temporary directory for HOME"));
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home.path());
    for kept in ["PATH", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// A program that ended, and everything it said.
#[derive(Debug)]
pub(crate) struct Finished {
    /// What was run.
    pub(crate) command: String,
    /// The exit status; none after a signal.
    pub(crate) code: Option<i32>,
    /// Its standard output, as it came.
    pub(crate) stdout: String,
    /// Its standard error, as it came.
    pub(crate) stderr: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Finished {
    /// The standard output of a program that must succeed.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(self.code == Some(0), "it should have succeeded: {self}");
        self.stdout
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}` ended with {:?}\n--- stderr ---\n{}\n--- stdout ---\n{}\n---",
            self.command, self.code, self.stderr, self.stdout
        )
    }
}

/// Runs a program to its end, with this on its standard input.
pub(crate) fn run(command: &mut Command, stdin: &str) -> Finished {
    run_within(LIMIT, command, stdin)
}

/// Likewise, for what may take longer.
pub(crate) fn run_within(limit: Duration, command: &mut Command, stdin: &str) -> Finished {
    let started = Instant::now();
    let shown = shown(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{shown}` does not start: {error}"));
    let mut input = child.stdin.take().expect("stdin is piped");
    let stdin = stdin.to_owned();
    // A program may end without reading all of its input; that is its right.
    let writer = thread::spawn(move || drop(input.write_all(stdin.as_bytes())));
    let stdout = collect(child.stdout.take().expect("stdout is piped"));
    let stderr = collect(child.stderr.take().expect("stderr is piped"));
    let code = wait(&mut child, &shown, limit);
    writer.join().expect("the writer does not panic");
    let [stdout, stderr] = [stdout, stderr].map(|reader| reader.join().expect("the reader does not panic"));
    Finished { command: shown, code, stdout, stderr, took: started.elapsed() }
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8(bytes).expect("programs speak UTF-8")
    })
}

fn wait(child: &mut Child, shown: &str, limit: Duration) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code();
        }
        if started.elapsed() > limit {
            // Only this child, by its handle.
            let _ = child.kill();
            panic!("`{shown}` did not end within {limit:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}
