//! The edge of the process: the only place with file system, environment, standard streams and panics.
//!
//! stdout is a protocol: kustomize parses it before it looks at the exit status. So it is written once, whole, at the
//! very end, and a panic on the way leaves it empty.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the edge that the lints point to"
)]

use std::ffi::OsString;
use std::fs;
use std::io::{self, IoSlice, IsTerminal, Read, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::files::{FileError, Files};

mod install;

pub use install::{make_directories, own_program, place_program};

/// No manifest or origin file comes near this; what does is a mistake or an attack. Bytes.
const LARGEST_FILE: u64 = 256 * 1024 * 1024;

/// The disk.
pub struct Disk;

impl Files for Disk {
    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        fs::canonicalize(path).map_err(|error| file_error(&error))
    }

    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn large(&self, path: &Path, size: u64) -> Option<Box<dyn Read>> {
        // What is too large is refused by who reads it whole: no part of it is taken for all.
        let is_large = |metadata: fs::Metadata| {
            metadata.is_file() && metadata.len() > size && metadata.len() <= LARGEST_FILE
        };
        let large = fs::metadata(path).is_ok_and(is_large).then(|| fs::File::open(path).ok())??;
        Some(Box::new(large.take(LARGEST_FILE)))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        let file = fs::File::open(path).map_err(|error| file_error(&error))?;
        let metadata = file.metadata().map_err(|error| file_error(&error))?;
        if !metadata.is_file() {
            return Err(FileError::Unreadable(String::from("it is not a regular file")));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| file_error(&error))?;
        if bytes.len() as u64 > LARGEST_FILE {
            return Err(FileError::Unreadable(format!("it is larger than {} MiB", LARGEST_FILE >> 20)));
        }
        Ok(bytes)
    }
}

fn file_error(error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FileError::NotFound,
        io::ErrorKind::PermissionDenied => FileError::Denied,
        // The kind, not the error: nothing of a path or a content is repeated.
        kind => FileError::Unreadable(kind.to_string()),
    }
}

/// The files below a directory, sorted, without what version control and tools keep for themselves. Symbolic links to
/// directories are not followed.
///
/// # Errors
/// A directory cannot be listed; which and why.
pub fn walk(directory: &Path) -> Result<Vec<PathBuf>, (PathBuf, FileError)> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        let entries = fs::read_dir(&next).map_err(|error| (next.clone(), file_error(&error)))?;
        for entry in entries {
            let entry = entry.map_err(|error| (next.clone(), file_error(&error)))?;
            let kind = entry.file_type().map_err(|error| (entry.path(), file_error(&error)))?;
            let hidden = entry.file_name() == ".git" || entry.file_name() == "node_modules";
            if kind.is_dir() && !hidden {
                left.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a file that must not be there yet.
///
/// # Errors
/// It is there, or cannot be written; why.
pub fn write_new(path: &Path, text: &str) -> Result<(), String> {
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| error.kind().to_string())
}

/// The arguments, without the program's own name.
#[must_use]
pub fn arguments() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// The directory of the kustomization that runs us as an exec plugin.
#[must_use]
pub fn plugin_root() -> Option<PathBuf> {
    directory_in("KUSTOMIZE_PLUGIN_CONFIG_ROOT")
}

/// The working directory, or `.` where it is gone.
#[must_use]
pub fn working_directory() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

/// The name of this machine or pod, for the session that an auditor sees in `CloudTrail`.
#[must_use]
pub fn host_name() -> String {
    let from_environment = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let name =
        from_environment.or_else(|| fs::read_to_string("/proc/sys/kernel/hostname").ok()).unwrap_or_default();
    name.trim().to_owned()
}

/// The certificates of `AWS_CA_BUNDLE`, as PEM.
///
/// # Errors
/// The variable names a file that cannot be read: its name, and why.
pub fn ca_bundle() -> Result<Option<Vec<u8>>, (String, FileError)> {
    match std::env::var("AWS_CA_BUNDLE") {
        Ok(path) if !path.is_empty() => match Disk.read(Path::new(&path)) {
            Ok(pem) => Ok(Some(pem)),
            Err(error) => Err((path, error)),
        },
        _ => Ok(None),
    }
}

/// A directory that the environment names; an empty name is none.
#[must_use]
pub fn directory_in(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|name| !name.is_empty()).map(PathBuf::from)
}

/// Whether a person sits where input would come from.
#[must_use]
pub fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// All of stdin.
///
/// # Errors
/// It cannot be read, or is too large; why.
pub fn read_stdin() -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match read_all(io::stdin().lock(), &mut bytes) {
        Ok(_) if bytes.len() as u64 > LARGEST_FILE => {
            Err(format!("it is larger than {} MiB", LARGEST_FILE >> 20))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.kind().to_string()),
    }
}

/// How much is read before room is made for a large input. Bytes.
const SMALL_INPUT: usize = 1024 * 1024;

/// The room for a large input, which hardly any outgrows. Bytes.
const LARGE_INPUT: usize = 64 * 1024 * 1024;

/// A pipe does not tell how much will come. To make room again and again copies it each time, and takes half as much memory
/// more; room that nobody has written to takes none.
fn read_all(content: impl Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut content = content.take(LARGEST_FILE + 1);
    let read = content.by_ref().take(SMALL_INPUT as u64).read_to_end(bytes)?;
    if read < SMALL_INPUT {
        return Ok(read);
    }
    // Where there is not as much, or more comes, it grows as it comes.
    let _ = bytes.try_reserve_exact(LARGE_INPUT - read);
    content.read_to_end(bytes).map(|more| read + more)
}

/// How many pieces are written at once: what Linux takes.
const PIECES_AT_ONCE: usize = 1024;

/// Writes stdout, whole, in one go, without putting its pieces together first. `false` where that failed: when the reader has
/// gone, which it knows itself, or else for a reason that is said.
#[must_use]
pub fn write_stdout<'p>(pieces: impl IntoIterator<Item = &'p str>) -> bool {
    let mut stdout = io::stdout().lock();
    match write_pieces(&mut stdout, pieces.into_iter()).and_then(|()| stdout.flush()) {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != io::ErrorKind::BrokenPipe {
                write_stderr(&format!("krm-sops: stdout cannot be written: {error}\n"));
            }
            false
        }
    }
}

fn write_pieces<'p>(to: &mut impl Write, pieces: impl Iterator<Item = &'p str>) -> io::Result<()> {
    let mut pieces = pieces.filter(|piece| !piece.is_empty()).map(|piece| IoSlice::new(piece.as_bytes()));
    loop {
        let mut some: Vec<IoSlice<'_>> = pieces.by_ref().take(PIECES_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        let mut left = some.as_mut_slice();
        while !left.is_empty() {
            match to.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Writes stderr. A reader that has gone is no reason to fail.
pub fn write_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Runs the program so that a panic, in whatever thread, ends the process at once: with an exit status and a place, nothing on
/// stdout, and never with a payload, since a message of the standard library may quote what it choked on.
pub fn guarded(program: impl FnOnce() -> ExitCode) -> ExitCode {
    panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        write_stderr(&format!(
            "error: krm-sops met a bug in itself{place}; nothing was decrypted\n    help: please report this line and what you ran\n"
        ));
        #[expect(
            clippy::exit,
            reason = "there is nothing to go back to: the release binary does not unwind"
        )]
        std::process::exit(101);
    }));
    program()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Ends its process, so it is one of its own: this test once more.
    #[test]
    fn a_panic_ends_the_process_and_shows_no_payload() {
        const PANICS: &str = "KRM_SOPS_TEST_PANICS";
        if std::env::var_os(PANICS).is_some() {
            let _ = guarded(|| {
                let _ = std::thread::spawn(|| panic!("the password is hunter2")).join();
                ExitCode::SUCCESS
            });
            return;
        }
        let test = ["--exact", "edge::tests::a_panic_ends_the_process_and_shows_no_payload", "--nocapture"];
        let ended =
            Command::new(std::env::current_exe().unwrap()).args(test).env(PANICS, "").output().unwrap();
        assert_eq!(ended.status.code(), Some(101));
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("krm-sops met a bug in itself at src/edge.rs:"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(!String::from_utf8_lossy(&ended.stdout).contains("test result"), "the process went on");
    }

    /// Takes seven bytes at a time, when it is not interrupted, until it is full.
    struct Narrow {
        taken: Vec<u8>,
        calls: usize,
        most: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let room = (self.most - self.taken.len()).min(7);
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).take(room).collect();
            self.taken.extend(&bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_too_large_is_not_read_in_part() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = fs::File::create(&path).unwrap();
        for (length, is_large) in [(10, false), (11, true), (LARGEST_FILE, true), (LARGEST_FILE + 1, false)] {
            file.set_len(length).unwrap();
            assert_eq!(Disk.large(&path, 10).is_some(), is_large, "{length}");
        }
        assert!(Disk.read(&path).is_err() && Disk.large(directory.path(), 0).is_none());
    }

    #[test]
    fn input_of_any_size_is_read_whole() {
        for length in [0, 1, SMALL_INPUT - 1, SMALL_INPUT, SMALL_INPUT + 1, 3 * SMALL_INPUT] {
            let content: Vec<u8> = (0_u8..251).cycle().take(length).collect();
            let mut bytes = Vec::new();
            assert_eq!(read_all(content.as_slice(), &mut bytes).unwrap(), length);
            assert!(bytes == content, "{length}");
            assert_eq!(bytes.capacity() >= LARGE_INPUT, length >= SMALL_INPUT, "{length}");
        }
    }

    #[test]
    fn all_pieces_are_written_in_order() {
        let pieces: Vec<String> =
            (0..2_500).map(|number| "x".repeat(number % 9) + &number.to_string()).collect();
        let whole = pieces.concat();
        let pieces = || pieces.iter().flat_map(|piece| ["", piece]);
        let mut narrow = Narrow { taken: Vec::new(), calls: 0, most: usize::MAX };
        write_pieces(&mut narrow, pieces()).unwrap();
        assert!(narrow.taken == whole.as_bytes());
        let mut full = Narrow { taken: Vec::new(), calls: 0, most: 100 };
        assert_eq!(write_pieces(&mut full, pieces()).unwrap_err().kind(), io::ErrorKind::WriteZero);
        assert!(full.taken == whole.as_bytes()[..100]);
    }
}
