//! examples/ci: the shell lines of each pipeline are run, by the shell and with the variables that the runner would give them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::{assert_failed, list, program, strings, tamper, text};
use crate::support::run::{Finished, krm_sops, run, source};
use crate::support::{Lab, Repo};

const DIRECTORY: &str = "clusters/us-west-2-platform-engineering-sbx";
const SECRET: &str = "examples/quickstart/secrets/us-west-2-platform-engineering-sbx/database.yaml";

/// A runner of a job: its tools, its home, and a `kubectl` that keeps what it is to apply.
struct Runner<'l> {
    lab: &'l Lab,
    repo: Repo,
    outer: tempfile::TempDir,
}

/// Something that a runner runs.
struct Script {
    /// The shell, with its arguments.
    shell: Vec<String>,
    text: String,
    environment: Vec<(String, String)>,
}

impl<'l> Runner<'l> {
    fn new(lab: &'l Lab) -> Self {
        lab.make_demonstration_keys();
        let runner = Self {
            lab,
            repo: Repo::with_copy_of("examples/quickstart"),
            outer: tempfile::tempdir().expect("a directory"),
        };
        let kubectl = runner.path("bin/kubectl");
        fs::create_dir_all(runner.path("bin")).expect("a directory");
        fs::create_dir_all(runner.path("home")).expect("a directory");
        let script = "#!/bin/sh\n[ \"$*\" = 'apply -f -' ] && cat > \"$APPLIED\"\n";
        fs::write(&kubectl, script).expect("a file");
        fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).expect("a file");
        runner
    }

    fn path(&self, path: &str) -> PathBuf {
        self.outer.path().join(path)
    }

    fn run(&self, script: &Script) -> Finished {
        let beside = krm_sops().parent().expect("a directory");
        let mut shell = program(self.lab, &script.shell[0], &[&self.path("bin"), beside as &Path]);
        shell.env("HOME", self.path("home")).env("APPLIED", self.path("applied"));
        for (name, value) in &script.environment {
            // What a runner has at these places is in its own directory here.
            let moved = ["/plugins", "/tmp/aws-token"].contains(&value.as_str());
            let value = if moved {
                self.path(value.trim_start_matches('/')).display().to_string()
            } else {
                value.clone()
            };
            if let Some(parent) = Path::new(&value).parent().filter(|_| moved) {
                fs::create_dir_all(parent).expect("a directory");
            }
            shell.env(name, value);
        }
        shell.args(&script.shell[1..]).arg(&script.text).current_dir(self.repo.path("examples/quickstart"));
        run(&mut shell, "")
    }

    /// Runs scripts until one fails.
    fn run_all(&self, scripts: &[Script]) -> Finished {
        let (last, before) = scripts.split_last().expect("a script");
        for script in before {
            let finished = self.run(script);
            if finished.code != Some(0) {
                return finished;
            }
        }
        self.run(last)
    }

    /// What kubectl was given to apply; nothing where it was not called.
    fn applied(&self) -> Option<String> {
        fs::read_to_string(self.path("applied")).ok()
    }
}

fn pipeline(file: &str) -> Value {
    let file = fs::read_to_string(source("examples/ci").join(file)).expect("a pipeline");
    serde_yaml::from_str(&file).expect("YAML")
}

fn shell(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_owned).collect()
}

/// The `run` steps of a workflow, for an event. (Steps that `uses` something are GitHub's own.)
fn github(event: &str) -> Vec<Script> {
    let workflow = pipeline("github-actions.yaml");
    let mut scripts = Vec::new();
    for job in ["check", "build"] {
        for step in list(&workflow["jobs"][job]["steps"]).iter().filter(|step| !step["run"].is_null()) {
            let condition = step["if"].as_str().unwrap_or_default();
            if condition.is_empty() || condition == format!("github.event_name == '{event}'") {
                // What GitHub's runner starts: in a container, `sh` unless a shell is named.
                let named = step["shell"].as_str().is_some();
                let words = if named { "bash --noprofile --norc -eo pipefail -c" } else { "sh -e -c" };
                let environment = strings(&workflow["env"]);
                scripts.push(Script { shell: shell(words), text: text(&step["run"]), environment });
            }
        }
    }
    scripts
}

/// A job of GitLab's: what it extends, its variables, and its lines in one shell.
fn gitlab(name: &str) -> Script {
    let pipeline = pipeline("gitlab-ci.yaml");
    let job = &pipeline[name];
    let base = job["extends"].as_str().map_or(&Value::Null, |base| &pipeline[base]);
    let mut environment = strings(&pipeline["variables"]);
    environment.extend(strings(&base["variables"]));
    environment.extend(
        base["id_tokens"].as_mapping().into_iter().flatten().map(|(name, _)| (text(name), "token".into())),
    );
    let lines = list(&base["before_script"]).iter().chain(list(&job["script"])).map(text);
    Script { shell: shell("bash -e -c"), text: lines.collect::<Vec<_>>().join("\n"), environment }
}

/// The steps of a Task. A script is a program of its own, started by its first line.
fn tekton() -> Vec<Script> {
    let task = pipeline("tekton-task.yaml");
    let fill = |text: String| text.replace("$(params.directory)", DIRECTORY);
    let steps = list(&task["spec"]["steps"]).iter().map(|step| {
        let script = text(&step["script"]);
        assert!(script.starts_with("#!/usr/bin/env bash\n") && !script.contains("$("), "{script}");
        let variables = list(&step["env"]).iter();
        let environment =
            variables.map(|entry| (text(&entry["name"]), fill(text(&entry["value"])))).collect();
        Script { shell: shell("bash -c"), text: script, environment }
    });
    steps.collect()
}

#[test]
fn what_is_merged_is_applied_decrypted() {
    let lab = Lab::new();
    for scripts in [github("push"), vec![gitlab("check"), gitlab("deploy")], tekton()] {
        let runner = Runner::new(&lab);
        let expected = lab.oracle(&runner.repo, &format!("examples/quickstart/{DIRECTORY}"));
        runner.run_all(&scripts).ok();
        assert_eq!(runner.applied(), Some(expected));
    }
}

#[test]
fn a_request_is_built_and_nothing_of_it_is_shown_or_applied() {
    let lab = Lab::new();
    for scripts in [github("pull_request"), vec![gitlab("check"), gitlab("build")]] {
        let runner = Runner::new(&lab);
        let finished = runner.run_all(&scripts);
        assert!(!finished.stderr.contains("demo-"), "{finished}");
        assert_eq!(
            finished
                .ok()
                .lines()
                .filter(|line| !line.contains("kustomize") && !line.contains("installed"))
                .count(),
            0
        );
        assert_eq!(runner.applied(), None);
    }
    assert!(lab.calls().iter().any(|call| call.action == "Decrypt"), "the builds decrypted for real");
}

#[test]
fn a_build_that_fails_fails_the_pipeline() {
    let lab = Lab::new();
    for scripts in
        [github("push"), github("pull_request"), vec![gitlab("deploy")], vec![gitlab("build")], tekton()]
    {
        let runner = Runner::new(&lab);
        tamper(&runner.repo, SECRET);
        assert_failed(&runner.run_all(&scripts), "mac-mismatch");
        assert_eq!(runner.applied().unwrap_or_default(), "");
    }
}

#[test]
fn what_a_build_would_refuse_fails_before_any_key_is_used() {
    let lab = Lab::new();
    for scripts in [
        github("pull_request"),
        vec![gitlab("check"), gitlab("build")],
        tekton()[..1].iter().map(clone).collect(),
    ] {
        let runner = Runner::new(&lab);
        let plain =
            runner.repo.read("examples/quickstart/plain/us-west-2-platform-engineering-sbx/database.yaml");
        runner.repo.write(SECRET, &plain);
        let before = lab.calls().len();
        let finished = runner.run_all(&scripts);
        assert!(finished.code == Some(1) && finished.stderr.contains("error[not-encrypted]"), "{finished}");
        assert_eq!(lab.calls().len(), before);
    }
}

fn clone(script: &Script) -> Script {
    Script { shell: script.shell.clone(), text: script.text.clone(), environment: script.environment.clone() }
}
