//! The image itself: what is in it, and that the same source gives the same binary.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::support::docker::readable;
use crate::support::repo::copy_directory;
use crate::support::run::{Finished, run, run_within, source};
use crate::support::{Docker, Platform};

/// Where `scripts/docker.sh` leaves the binary that it puts into the image.
const BINARY: &str = "container/prebuilt/release/krm-sops";

#[test]
fn it_is_small_and_says_what_it_is() {
    let Some(docker) = Docker::get() else { return };
    let inspect = |what: &str| {
        let arguments = ["image", "inspect", "--format", what, docker.image()];
        run(&mut docker.command(&arguments), "").ok().trim().to_owned()
    };
    let size: u64 = inspect("{{.Size}}").parse().expect("a number");
    assert!(size <= 12_000_000, "the image has {size} bytes");
    assert_eq!(inspect("{{.Config.User}}"), "65534:65534");
    assert_eq!(inspect("{{json .Config.Entrypoint}}"), "[\"/krm-sops\"]");
    let labels = inspect("{{json .Config.Labels}}");
    for label in ["title", "description", "licenses", "source", "version", "revision"] {
        assert!(labels.contains(&format!("\"org.opencontainers.image.{label}\":")), "{labels}");
    }
    let version = format!("\"org.opencontainers.image.version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(labels.contains(&version), "{labels}");
}

#[test]
fn it_needs_no_right_and_no_place_to_write() {
    let Some(docker) = Docker::get() else { return };
    let Platform { repo, .. } = Platform::new();
    readable(&repo.path(".."));
    let mount = format!("type=bind,src={},dst=/repo,readonly", repo.root().display());
    let confined = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none"];
    let checked =
        start(docker, &[&confined[..], &["--user=nobody", "--mount", &mount]].concat(), &["check", "/repo"]);
    assert_eq!(checked.ok(), "1 encrypted files, nothing to refuse\n");
    // Nor is there a shell to start.
    let shell = start(docker, &["--entrypoint=/bin/sh"], &[]);
    assert!(shell.code == Some(127) && shell.stderr.contains("no such file"), "{shell}");
}

fn start(docker: &Docker, options: &[&str], arguments: &[&str]) -> Finished {
    let all = [&["run", "--rm"], options, &[docker.image()], arguments].concat();
    run(&mut docker.command(&all), "")
}

#[test]
fn its_binary_is_the_same_from_another_directory_and_names_none() {
    if Docker::get().is_none() {
        return;
    }
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    copy_directory(&source("src"), &elsewhere.path().join("src"));
    // What the Dockerfile compiles from, and no more.
    let dockerfile = fs::read_to_string(source("Dockerfile")).expect("the Dockerfile");
    for file in ["Cargo.toml", "Cargo.lock", "container/build.sh", "benches/micro.rs"] {
        assert!(dockerfile.lines().any(|line| line.starts_with("COPY ") && line.contains(file)), "{file}");
        let copy = elsewhere.path().join(file);
        fs::create_dir_all(copy.parent().expect("a directory")).expect("a directory");
        fs::copy(source(file), copy).expect("a copy");
    }
    // Dependencies need not be compiled anew; this crate is, as its files are new. A copy, so that the next build here has
    // nothing to do.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| source("target"), Into::into);
    let compiled = format!("{}-unknown-linux-musl/release", std::env::consts::ARCH);
    for part in [compiled.as_str(), "release"] {
        let to = elsewhere.path().join("target").join(part);
        fs::create_dir_all(&to).expect("a directory");
        run(Command::new("cp").arg("-a").arg(target.join(part).join(".")).arg(to), "").ok();
    }
    let mut compile = Command::new(elsewhere.path().join("container/build.sh"));
    compile.args(["", "release", "out"]).env("CARGO_TARGET_DIR", elsewhere.path().join("target"));
    let compiled = run_within(Duration::from_mins(10), &mut compile, "");
    let says = format!("Compiling krm-sops v{} ({}", env!("CARGO_PKG_VERSION"), elsewhere.path().display());
    assert!(compiled.stderr.contains(&says), "{compiled}");
    compiled.ok();
    let [ours, theirs] = [source(BINARY), elsewhere.path().join("out/krm-sops")]
        .map(|path| fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    assert!(ours == theirs, "the binary depends on the directory that it is compiled in");

    let crates = format!("{}/.cargo", std::env::var("HOME").expect("a home"));
    for directory in [&source("").display().to_string(), &target.display().to_string(), &crates] {
        let directory = directory.trim_end_matches('/').as_bytes();
        assert!(
            !ours.windows(directory.len()).any(|bytes| bytes == directory),
            "the binary names directories"
        );
    }
}
