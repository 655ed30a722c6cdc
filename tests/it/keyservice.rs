//! A keyservice in the place of AWS: the real `sops keyservice`, over a socket and a port, and what is no keyservice at all.

use std::process::Command;
use std::time::{Duration, Instant};

use krm_sops::diagnostics::Code;

use crate::support::keyservice::Pretender;
use crate::support::platform::DATABASE;
use crate::support::run::{self, run};
use crate::support::{Fault, Keyservice, Lab, Mode, Platform, Repo, WEST, expect};

const DIRECTORY: &str = "clusters/us-west-2-platform-engineering-sbx";

/// An age key for these tests alone.
const RECIPIENT: &str = "age19wf7dck97dqnpcrak2ym9z3j8jk4nse3n9sluu7nqzx4gv6z4dksy4rrzp";
const IDENTITY: &str = "AGE-SECRET-KEY-1S6A92AAPZGERP3XG6CY337Z8RFXX878LVKT7ZGMHP35H8C5LP7RSMYA4NW";

/// Takes AWS away from a command: no endpoint, no credentials, and a metadata service that nobody may ask.
fn without_aws(command: &mut Command) {
    for name in ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
}

/// The platform, with a config that names these keyservices and more.
fn platform(urls: &[&str], more: &str) -> Platform {
    let platform = Platform::new();
    ask(&platform, urls, more);
    platform
}

fn ask(platform: &Platform, urls: &[&str], more: &str) {
    let spec = format!("keyservices: ['{}']\n{more}", urls.join("', '"));
    platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), &spec);
}

/// A repository with one Secret under a rule with these keys, in YAML, and a config with this `spec`.
fn with_rule(lab: &Lab, keys: &str, spec: &str) -> Repo {
    let mut repo = Repo::new();
    let rule = format!("creation_rules:\n- encrypted_regex: ^(data|stringData)$\n{keys}");
    repo.write(".sops.yaml", &rule);
    repo.encrypt(lab, "secret.yaml", DATABASE);
    let body = "resources: [secret.yaml]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n";
    repo.kustomization(".", body).transformer("decrypt.yaml", spec);
    repo
}

/// What was asked of AWS by the service: action and role.
fn asked(lab: &Lab) -> Vec<(String, Option<String>)> {
    lab.calls_of_service().into_iter().map(|call| (call.action, call.role)).collect()
}

#[test]
fn a_socket_in_every_mode_without_any_aws() {
    let platform = Platform::new();
    let service = Keyservice::on_socket(&platform.lab);
    ask(&platform, &[&service.url], "");
    let expected = platform.lab.oracle(&platform.repo, DIRECTORY);
    for mode in Mode::ALL {
        let built = platform.lab.build_with(&platform.repo, DIRECTORY, mode, without_aws).ok();
        assert!(built.contains("canary-password") && !built.contains("ENC["), "{mode:?}: {built}");
        assert!(mode == Mode::Filter || built == expected, "{mode:?}: {built}\n--- oracle ---\n{expected}");
    }
    assert!(platform.lab.calls().is_empty(), "nothing is asked of AWS from here");
    let role = Some(platform.role.clone());
    let once = [("AssumeRole".to_owned(), None), ("Decrypt".to_owned(), role)];
    assert_eq!(asked(&platform.lab), [&once[..]; 3].concat(), "the service assumes the role of the rule");
}

#[test]
fn a_port_and_two_groups_with_contexts() {
    let lab = Lab::new();
    let service = Keyservice::on_port(&lab);
    let keys = [lab.open_key("us-west-2"), lab.open_key("us-east-1")];
    let group = |key: &String| format!("  - kms: [{{arn: '{key}', context: {{app: db, env: sbx}}}}]\n");
    let groups = keys.each_ref().map(group).concat();
    let rule = format!("  shamir_threshold: 2\n  key_groups:\n{groups}");
    let repo = with_rule(&lab, &rule, &format!("keyservices: ['{}']", service.url));
    lab.assert_decrypts(&repo, ".");
    let calls = lab.calls_of_service();
    assert_eq!(calls.len(), 6, "two shares in three modes: {calls:?}");
    for call in calls {
        let context = call.context.unwrap_or_default().into_iter().collect::<Vec<_>>();
        assert_eq!(context, [("app".into(), "db".into()), ("env".into(), "sbx".into())]);
    }
    // The context is the rule's: with another, the service is not asked.
    repo.tamper(".sops.yaml", |text| text.replace("env: sbx", "env: prd"));
    let refused = lab.build(&repo, ".", Mode::Plugin);
    expect::refused(&lab, &repo, &refused, &[Code::KeyNotInRule], &["another encryption context"]);
    assert_eq!(lab.calls_of_service().len(), 6);
    assert!(lab.calls().is_empty());
}

#[test]
fn a_kind_that_only_the_service_knows() {
    let lab = Lab::new();
    let repo = with_rule(&lab, &format!("  age: {RECIPIENT}\n"), "");
    let refused = lab.build(&repo, ".", Mode::Plugin);
    expect::refused(&lab, &repo, &refused, &[Code::NoUsableKey], &["Secret database", RECIPIENT]);
    let service = Keyservice::on_socket_with(&lab, |command| {
        command.env("SOPS_AGE_KEY", IDENTITY);
    });
    repo.transformer("decrypt.yaml", &format!("keyservices: ['{}']", service.url));
    for mode in Mode::ALL {
        let built = lab.build_with(&repo, ".", mode, without_aws).ok();
        assert!(built.contains("password: canary-password") && !built.contains("sops:"), "{mode:?}: {built}");
    }
    // Where the service can be asked for any kind, a foreign key of any kind is refused.
    let other = "age1lzd99uklcjnc0e7d860axevet2cz99ce9pq6tzuzd05l5nr28ams36nvun";
    repo.tamper(".sops.yaml", |text| text.replace(RECIPIENT, other));
    let refused = lab.build(&repo, ".", Mode::Plugin);
    expect::refused(&lab, &repo, &refused, &[Code::KeyNotInRule], &["Secret database", RECIPIENT]);
}

#[test]
fn a_service_without_the_private_key_says_so_and_no_more() {
    let lab = Lab::new();
    let service = Keyservice::on_port(&lab);
    let rule = format!("  age: {RECIPIENT}\n");
    let repo = with_rule(&lab, &rule, &format!("keyservices: ['{}']", service.url));
    let refused = lab.build(&repo, ".", Mode::Function);
    let also = ["Secret database", &service.url, RECIPIENT, "age", "its own credentials"];
    expect::refused(&lab, &repo, &refused, &[Code::KmsDenied], &also);
}

#[test]
fn a_key_outside_the_rule_is_not_asked_for() {
    let service = Pretender::saying(b"");
    let platform = platform(&[&service.url], "");
    platform.repo.tamper(".sops.yaml", |text| text.replace(&platform.west, &platform.east));
    platform.assert_refused(DIRECTORY, &[Code::KeyNotInRule], &["Secret database", &platform.west]);
    assert_eq!(service.connections(), 0);
    assert!(platform.lab.calls().is_empty());
}

#[test]
fn the_role_is_the_rules_whatever_the_file_claims() {
    let platform = Platform::new();
    let service = Keyservice::on_socket(&platform.lab);
    ask(&platform, &[&service.url], "");
    let another = platform.lab.role("attacker");
    let file = format!("secrets/{WEST}/database.yaml");
    platform.repo.tamper(&file, |text| text.replace(&platform.role, &another));
    platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok();
    let calls = platform.lab.calls_of_service();
    assert_eq!(calls[0].target.as_deref(), Some(platform.role.as_str()), "{calls:?}");
    assert!(calls.iter().all(|call| call.target.as_deref() != Some(&another)), "{calls:?}");
    // `assumeRole` binds the service, too.
    ask(&platform, &[&service.url], "aws: {assumeRole: never}");
    platform.assert_refused(DIRECTORY, &[Code::KmsDenied], &["AccessDenied", &platform.west]);
    let roles = platform.lab.calls_of_service().into_iter().filter(|call| call.action == "AssumeRole");
    assert_eq!(roles.count(), 1, "only the one of before");
}

#[test]
fn a_service_that_is_denied_is_quoted() {
    let platform = Platform::new();
    let service = Keyservice::on_socket(&platform.lab);
    ask(&platform, &[&service.url], "");
    platform.lab.fault_of_service(Fault::on("sts", "AssumeRole").error("AccessDenied").status(403));
    let also =
        ["Secret database", "database.yaml", &service.url, &platform.role, "AccessDenied", "the lab says no"];
    platform.assert_refused(DIRECTORY, &[Code::KmsDenied], &also);
    assert!(platform.lab.calls().is_empty(), "and nothing is tried from here");
    // AWS quotes a request whose signature it does not like, with its session token, and sops passes that on.
    let quoted = "The Canonical String should have been\nx-amz-security-token:canary";
    let fault = Fault::on("sts", "AssumeRole").error("SignatureDoesNotMatch").status(403).message(quoted);
    let platform = Platform::new();
    let service = Keyservice::on_socket(&platform.lab);
    ask(&platform, &[&service.url], "");
    platform.lab.fault_of_service(fault);
    platform.assert_refused(DIRECTORY, &[Code::KmsDenied], &["SignatureDoesNotMatch", &service.url]);
}

#[test]
fn the_next_service_is_asked_where_one_fails() {
    let platform = Platform::new();
    let service = Keyservice::on_socket(&platform.lab);
    let missing = format!("unix://{}", platform.repo.path("../missing.sock").display());
    let nobody = "tcp://127.0.0.1:9";
    ask(&platform, &[&missing, nobody, &service.url], "");
    assert!(platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok().contains("canary-password"));
    ask(&platform, &[&missing, nobody], "");
    let also = [
        "none of the 2 keyservices",
        "missing.sock: it cannot be reached: there is no such socket",
        &format!("{nobody}: it cannot be reached: nobody listens there"),
        "Secret database",
    ];
    platform.assert_refused(DIRECTORY, &[Code::KmsUnreachable], &also);
}

#[test]
fn what_is_no_keyservice_is_named() {
    for words in [&b"220 mail.example.com ESMTP\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b""] {
        let stranger = Pretender::saying(words);
        let platform = platform(&[&stranger.url], "aws: {timeout: 20s}");
        let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin);
        let also = ["Secret database", &stranger.url, "the connection broke", "a sops keyservice"];
        expect::refused(&platform.lab, &platform.repo, &built, &[Code::KmsUnreachable], &also);
        assert_eq!(stranger.connections(), 2, "once, and once more");
    }
}

#[test]
fn a_service_that_hangs_is_waited_for_no_longer_than_told() {
    let silent = Pretender::start(|_, stream| std::mem::forget(stream));
    let platform = platform(&[&silent.url], "aws: {timeout: 1500ms}");
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin);
    let also = ["Secret database", &silent.url, "it gave no answer within 1.5s"];
    expect::refused(&platform.lab, &platform.repo, &built, &[Code::KmsUnreachable], &also);
    assert!(built.took < Duration::from_secs(10), "{:?}", built.took);
}

#[test]
fn a_service_that_dies_in_the_middle() {
    let platform = Platform::new();
    let mut service = Keyservice::on_socket(&platform.lab);
    ask(&platform, &[&service.url], "");
    platform.lab.fault_of_service(Fault::on("kms", "Decrypt").delay(20_000));
    let built = std::thread::scope(|scope| {
        let build = scope.spawn(|| platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin));
        let started = Instant::now();
        while !platform.lab.calls_of_service().iter().any(|call| call.action == "Decrypt") {
            assert!(started.elapsed() < Duration::from_secs(30), "the service was not asked");
            std::thread::sleep(Duration::from_millis(10));
        }
        service.kill();
        build.join().expect("the build does not panic")
    });
    let also = ["Secret database", &service.url];
    expect::refused(&platform.lab, &platform.repo, &built, &[Code::KmsUnreachable], &also);
    // On a busy machine the system may take its time to take the socket down: then the second connection breaks, too.
    let causes = ["nobody listens there", "the connection broke"];
    assert!(causes.iter().any(|cause| built.stderr.contains(cause)), "{built}");
    assert!(built.took < Duration::from_secs(15), "{:?}", built.took);
}

#[test]
fn a_connection_that_breaks_is_made_anew() {
    let platform = Platform::new();
    let service = Keyservice::on_socket(&platform.lab);
    let relay = Pretender::that_breaks_once(service.socket());
    ask(&platform, &[&relay.url], "");
    assert!(platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok().contains("canary-password"));
    assert_eq!(relay.connections(), 2);
}

#[test]
fn many_files_share_one_connection_and_the_calls_are_bounded() {
    let mut platform = Platform::empty();
    for number in 0..8 {
        let plain = DATABASE.replace("database", &format!("s-{number}"));
        platform.secret(WEST, &format!("s-{number}.yaml"), &plain);
    }
    platform.cluster(WEST, "");
    let service = Keyservice::on_socket(&platform.lab);
    let relay = Pretender::that_passes_on(service.socket());
    platform.lab.fault_of_service(Fault::on("kms", "Decrypt").delay(150));
    ask(&platform, &[&relay.url], "aws: {maxConcurrency: 2}");
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok();
    assert_eq!(built.matches("canary-password").count(), 8, "{built}");
    assert_eq!(relay.connections(), 1);
    let most = |from: usize| {
        let calls = platform.lab.calls_of_service().split_off(from);
        let decrypts = calls.iter().filter(|call| call.action == "Decrypt");
        decrypts.map(|call| call.in_flight).max().unwrap_or_default()
    };
    assert_eq!(most(0), 2);
    let before = platform.lab.calls_of_service().len();
    ask(&platform, &[&relay.url], "");
    platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok();
    assert!(most(before) > 4, "{}", most(before));
}

#[test]
fn a_function_whose_container_has_the_socket_mounted() {
    let lab = Lab::new();
    let service = Keyservice::on_socket(&lab);
    let key = lab.open_key("us-west-2");
    let repo = with_rule(&lab, &format!("  kms: {key}\n"), "");
    let sealed = repo.read("secret.yaml");
    let indented: String = sealed.lines().flat_map(|line| ["  ", line, "\n"]).collect();
    // As kustomize passes it on. The places in the container are those that the files have on this machine.
    let input = format!(
        "apiVersion: config.kubernetes.io/v1
kind: ResourceList
items:
- metadata:
    name: database
    annotations:
      config.kubernetes.io/origin: 'path: secret.yaml'
{}functionConfig:
  apiVersion: krm-sops.dev/v1
  kind: SopsDecrypt
  metadata:
    name: decrypt
    annotations:
      config.kubernetes.io/origin: 'path: decrypt.yaml'
      config.kubernetes.io/function: |
        container:
          image: krm-sops
          mounts:
          - {{type: bind, src: ., dst: {}}}
          - {{type: bind, src: ./sops.sock, dst: {}}}
  spec:
    keyservices: ['{}']
",
        indented
            .replace("  metadata:\n      name: database\n", "")
            .replace("      labels:\n          team: platform\n", ""),
        repo.root().display(),
        service.socket().display(),
        service.url
    );
    let mut command = run::command(run::krm_sops());
    command.current_dir("/");
    let output = run(&mut command, &input).ok();
    assert!(output.contains("password: canary-password") && !output.contains("ENC["), "{output}");
    assert_eq!(lab.calls_of_service().len(), 1);
}

#[test]
fn an_address_is_checked_before_anything_is_read() {
    let platform = platform(&["unix:/run/sops.sock"], "");
    let also = ["spec.keyservices", "did you mean unix:///run/sops.sock?"];
    platform.assert_refused(DIRECTORY, &[Code::BadConfig], &also);
}

#[test]
fn a_setting_of_the_filter_names_services() {
    let platform = Platform::new();
    let service = Keyservice::on_port(&platform.lab);
    let missing = "unix:///nowhere/sops.sock";
    let bare = platform.repo.copy();
    bare.kustomization(
        "bare",
        &format!("buildMetadata: [originAnnotations]\nresources: [../secrets/{WEST}]\n"),
    );
    let built = run(&mut crate::support::build::kustomize(&bare, &["bare"]), "").ok();
    let mut filter = run::command(run::krm_sops());
    filter.current_dir(bare.root()).args(["decrypt", "-C", "bare", "--set"]);
    filter.arg(format!("keyservices={missing},{}", service.url));
    assert!(run(&mut filter, &built).ok().contains("canary-password"));
}
