//! Putting this program in another place, so that nobody ever runs half of it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file that this process runs.
///
/// # Errors
/// The system does not say; why.
pub fn own_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| error.kind().to_string())
}

/// Copies a program to a path, whatever file is there, and makes it executable for everyone. The copy grows beside its place
/// and is then renamed into it: a program that is running is not touched, and no other file system is needed.
///
/// # Errors
/// The file cannot be read, or its directory cannot be written into; which, and why.
pub fn place_program(program: &Path, target: &Path) -> Result<(), (PathBuf, String)> {
    let because = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| (path, error.kind().to_string())
    };
    let mut source = fs::File::open(program).map_err(because(program))?;
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = target.with_file_name(name);
    // What a killed process left under this name is in nobody's use.
    let _ = fs::remove_file(&part);
    let placed = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&part)
        .and_then(|mut copy| {
            io::copy(&mut source, &mut copy)?;
            make_executable(&copy)?;
            copy.flush()?;
            copy.sync_all()
        })
        .and_then(|()| fs::rename(&part, target));
    placed.map_err(|error| {
        let _ = fs::remove_file(&part);
        because(target)(error)
    })
}

/// Makes the directories that are missing.
///
/// # Errors
/// One cannot be made; why.
pub fn make_directories(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| error.kind().to_string())
}

#[cfg(unix)]
fn make_executable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // Set, and not asked for when the file is made: a umask would take bits away.
    file.set_permissions(fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_file: &fs::File) -> io::Result<()> {
    Ok(())
}
