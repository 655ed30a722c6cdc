//! What AWS is asked: who calls what, as whom, how often; and what a refusal of it looks like.

use krm_sops::diagnostics::Code;

use crate::support::platform::{DATABASE, rule};
use crate::support::run;
use crate::support::{Call, EAST, Fault, Lab, Mode, Platform, Repo, WEST, expect};

const DIRECTORY: &str = "clusters/us-west-2-platform-engineering-sbx";

fn of<'c>(calls: &'c [Call], action: &str) -> Vec<&'c Call> {
    calls.iter().filter(|call| call.action == action).collect()
}

/// A repository with one Secret whose rule has these key groups, in YAML.
fn with_groups(lab: &Lab, more: &str, groups: &str) -> Repo {
    let mut repo = Repo::new();
    repo.write(
        ".sops.yaml",
        &format!(
            "creation_rules:\n- encrypted_regex: ^(data|stringData)$\n  {more}\n  key_groups:\n{groups}"
        ),
    );
    repo.encrypt(lab, "secret.yaml", DATABASE);
    repo.kustomization(
        ".",
        "resources: [secret.yaml]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n",
    );
    repo.transformer("decrypt.yaml", "");
    repo
}

#[test]
fn one_session_for_each_region_and_one_call_for_each_file() {
    let mut platform = Platform::new();
    for number in 0..5 {
        platform.secret(
            WEST,
            &format!("more-{number}.yaml"),
            &DATABASE.replace("database", &format!("more-{number}")),
        );
    }
    platform.secret(EAST, "east.yaml", &DATABASE.replace("database", "east"));
    platform.cluster(WEST, &format!("- ../../secrets/{EAST}\n"));
    platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok();
    let calls = platform.lab.calls();
    let sessions = of(&calls, "AssumeRole");
    assert_eq!(sessions.len(), 2, "{calls:?}");
    for session in sessions {
        assert_eq!(
            (session.service.as_str(), session.target.as_deref()),
            ("sts", Some(platform.role.as_str()))
        );
        assert!(
            session.session_name.as_deref().is_some_and(|name| name.starts_with("krm-sops@")),
            "{session:?}"
        );
    }
    let decrypts = of(&calls, "Decrypt");
    assert_eq!(decrypts.len(), 7);
    for decrypt in decrypts {
        assert_eq!(
            decrypt.role.as_deref(),
            Some(platform.role.as_str()),
            "as the rule's role and nobody else"
        );
        let own = if decrypt.region == "us-west-2" { &platform.west } else { &platform.east };
        assert_eq!(decrypt.target.as_deref(), Some(own.as_str()), "the key's own region");
    }
    assert_eq!(calls.len(), 9, "and nothing else: {calls:?}");
}

#[test]
fn one_call_for_a_file_of_many_documents() {
    let mut platform = Platform::empty();
    let documents = format!("{DATABASE}---\n{}", DATABASE.replace("name: database", "name: another"));
    platform.secret(WEST, "both.yaml", &documents);
    platform.cluster(WEST, "");
    platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok();
    assert_eq!(of(&platform.lab.calls(), "Decrypt").len(), 1);
}

#[test]
fn calls_are_under_way_together_but_not_more_than_allowed() {
    let mut platform = Platform::empty();
    for number in 0..8 {
        platform.secret(
            WEST,
            &format!("s-{number}.yaml"),
            &DATABASE.replace("database", &format!("s-{number}")),
        );
    }
    platform.cluster(WEST, "");
    platform.lab.fault(Fault::on("kms", "Decrypt").delay(150));
    let most =
        || of(&platform.lab.calls(), "Decrypt").iter().map(|call| call.in_flight).max().unwrap_or_default();
    platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), "aws: {maxConcurrency: 2}");
    platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok();
    assert_eq!(most(), 2);
    platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), "");
    platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok();
    assert!(most() > 4, "{}", most());
}

#[test]
fn the_encryption_context_is_the_rules() {
    let lab = Lab::new();
    let key = lab.open_key("us-west-2");
    let repo =
        with_groups(&lab, "", &format!("  - kms: [{{arn: '{key}', context: {{app: db, env: sbx}}}}]\n"));
    lab.assert_decrypts(&repo, ".");
    let calls = lab.calls();
    let context = of(&calls, "Decrypt")[0].context.clone().unwrap_or_default();
    assert_eq!(
        context.into_iter().collect::<Vec<_>>(),
        [("app".into(), "db".into()), ("env".into(), "sbx".into())]
    );
    repo.tamper(".sops.yaml", |text| text.replace("env: sbx", "env: prd"));
    let refused = lab.build(&repo, ".", Mode::Plugin);
    expect::refused(&lab, &repo, &refused, &[Code::KeyNotInRule], &["another encryption context"]);
    assert_eq!(lab.calls().len(), calls.len(), "nothing was asked");
}

#[test]
fn the_next_key_of_a_group_is_tried() {
    let lab = Lab::new();
    let (first, second) = (lab.open_key("us-west-2"), lab.open_key("us-east-1"));
    let repo = with_groups(&lab, "", &format!("  - kms: [{{arn: '{first}'}}, {{arn: '{second}'}}]\n"));
    lab.fault(Fault::on("kms", "Decrypt").target(&first).error("AccessDeniedException"));
    lab.assert_decrypts(&repo, ".");
    lab.fault(Fault::on("kms", "Decrypt").target(&second).error("DisabledException"));
    let refused = lab.build(&repo, ".", Mode::Plugin);
    expect::refused(
        &lab,
        &repo,
        &refused,
        &[Code::NoUsableKey],
        &[&first, &second, "Secret database", "secret.yaml"],
    );
}

#[test]
fn key_groups_with_a_threshold() {
    let lab = Lab::new();
    let keys = [lab.open_key("us-west-2"), lab.open_key("us-east-1"), lab.open_key("us-west-2")];
    let groups = keys.each_ref().map(|key| format!("  - kms: [{{arn: '{key}'}}]\n")).concat();
    for (threshold, denied, works) in [(2, 0, true), (2, 1, true), (2, 2, false), (0, 1, false), (0, 0, true)]
    {
        let lab = Lab::new();
        let repo = with_groups(&lab, &format!("shamir_threshold: {threshold}"), &groups);
        for key in keys.iter().take(denied) {
            lab.fault(Fault::on("kms", "Decrypt").target(key).error("AccessDeniedException"));
        }
        let built = lab.build(&repo, ".", Mode::Plugin);
        if works {
            assert!(built.ok().contains("canary-password"), "{threshold} {denied}");
        } else {
            expect::refused(&lab, &repo, &built, &[Code::NoUsableKey, Code::KmsDenied], &[&keys[0]]);
        }
    }
}

#[test]
fn the_role_is_denied() {
    let platform = Platform::new();
    platform.lab.fault(Fault::on("sts", "AssumeRole").error("AccessDenied").status(403));
    platform.assert_refused(
        DIRECTORY,
        &[Code::RoleDenied],
        &["Secret database", "database.yaml", &platform.role],
    );
    assert!(of(&platform.lab.calls(), "Decrypt").is_empty(), "no call as anyone else");
}

#[test]
fn the_key_is_denied() {
    let platform = Platform::new();
    platform.lab.fault(Fault::on("kms", "Decrypt").error("AccessDeniedException"));
    platform.assert_refused(
        DIRECTORY,
        &[Code::KmsDenied],
        &["Secret database", "database.yaml", &platform.west],
    );
}

#[test]
fn throttling_is_waited_out() {
    let platform = Platform::new();
    platform.lab.fault(Fault::on("kms", "Decrypt").error("ThrottlingException").times(2));
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin);
    assert!(built.ok().contains("canary-password"));
    assert_eq!(of(&platform.lab.calls(), "Decrypt").len(), 3);
}

/// What many builds that start at once do to a quota: more than a round of attempts is refused.
#[test]
fn throttling_of_a_burst_is_waited_out() {
    let platform = Platform::new();
    platform.lab.fault(Fault::on("sts", "AssumeRole").error("Throttling").times(6));
    platform.lab.fault(Fault::on("kms", "Decrypt").error("ThrottlingException").times(6));
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin);
    assert!(built.ok().contains("canary-password"));
    let calls = platform.lab.calls();
    assert_eq!((of(&calls, "AssumeRole").len(), of(&calls, "Decrypt").len()), (7, 7));
}

#[test]
fn no_answer_at_all() {
    let platform = Platform::new();
    platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), "aws: {timeout: 1s}");
    let closed = "http://127.0.0.1:9";
    let built = platform.lab.build_with(&platform.repo, DIRECTORY, Mode::Plugin, |command| {
        command.env("AWS_ENDPOINT_URL", closed);
    });
    expect::refused(
        &platform.lab,
        &platform.repo,
        &built,
        &[Code::KmsUnreachable],
        &["127.0.0.1:9", "Secret database"],
    );
    platform.lab.fault(Fault::on("kms", "Decrypt").delay(5_000));
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin);
    expect::refused(&platform.lab, &platform.repo, &built, &[Code::KmsUnreachable], &["Secret database"]);
    assert!(built.took.as_secs() < 5, "{:?}", built.took);
}

#[test]
fn endpoints_of_one_service_are_honoured() {
    let platform = Platform::new();
    let url = platform.lab.url().to_owned();
    let built = platform.lab.build_with(&platform.repo, DIRECTORY, Mode::Plugin, |command| {
        command
            .env_remove("AWS_ENDPOINT_URL")
            .env("AWS_ENDPOINT_URL_KMS", &url)
            .env("AWS_ENDPOINT_URL_STS", &url);
    });
    assert!(built.ok().contains("canary-password"));
}

#[test]
fn a_caller_that_is_the_role_already() {
    let platform = Platform::new();
    let built = platform.lab.build_with(&platform.repo, DIRECTORY, Mode::Function, |command| {
        platform.lab.as_role(command, &platform.role);
    });
    expect::said(&built, "info", Code::AlreadyInRole, &[]);
    assert!(built.stdout.contains("canary-password"));
}

#[test]
fn no_role_is_assumed_where_the_config_says_never() {
    let lab = Lab::new();
    let (role, key) = (lab.role("flux-secrets"), lab.open_key("us-west-2"));
    let repo = with_groups(&lab, "", &format!("  - kms: [{{arn: '{key}', role: '{role}'}}]\n"));
    repo.transformer("decrypt.yaml", "aws: {assumeRole: never}");
    lab.build(&repo, ".", Mode::Plugin).ok();
    assert!(of(&lab.calls(), "AssumeRole").is_empty());
}

#[test]
fn nothing_is_asked_for_a_key_outside_the_rule() {
    let platform = Platform::new();
    platform
        .repo
        .write(".sops.yaml", &format!("creation_rules:\n{}", rule(WEST, &platform.east, &platform.role)));
    platform.assert_refused(DIRECTORY, &[Code::KeyNotInRule], &["Secret database", &platform.west]);
    assert!(platform.lab.calls().is_empty());
}

#[test]
fn copies_of_a_file_share_one_call() {
    let mut platform = Platform::new();
    let sealed = platform.repo.read(&format!("secrets/{WEST}/database.yaml"));
    let mut resources = String::new();
    for name in ["one", "two"] {
        let directory = format!("secrets/{WEST}/{name}");
        platform
            .repo
            .write(&format!("{directory}/database.yaml"), &sealed)
            .kustomization(&directory, &format!("namePrefix: {name}-\nresources: [database.yaml]\n"));
        resources.extend(["- ../../", &directory, "\n"]);
    }
    platform.cluster(WEST, &resources);
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok();
    assert_eq!(built.matches("canary-password").count(), 3, "{built}");
    let calls = platform.lab.calls();
    assert_eq!((of(&calls, "Decrypt").len(), calls.len()), (1, 2), "{calls:?}");
}

#[test]
fn a_role_that_is_denied_is_asked_for_once_and_said_once() {
    let mut platform = Platform::new();
    for name in ["first", "second"] {
        platform.secret(
            WEST,
            &format!("{name}.yaml"),
            &DATABASE.replace("name: database", &format!("name: {name}")),
        );
    }
    platform.lab.fault(Fault::on("sts", "AssumeRole").error("AccessDenied").status(403));
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin);
    let items = ["Secret database", "Secret first", "Secret second"];
    expect::refused(&platform.lab, &platform.repo, &built, &[Code::RoleDenied], &items);
    assert_eq!(built.stderr.matches("error[role-denied]").count(), 1, "{built}");
    let calls = platform.lab.calls();
    let actions: Vec<&str> = calls.iter().map(|call| call.action.as_str()).collect();
    assert_eq!(actions, ["AssumeRole", "GetCallerIdentity"]);
}

#[test]
fn a_caller_that_is_the_role_already_is_asked_who_it_is_once() {
    let platform = Platform::new();
    platform
        .lab
        .build_with(&platform.repo, DIRECTORY, Mode::Plugin, |command| {
            platform.lab.as_role(command, &platform.role);
        })
        .ok();
    let calls = platform.lab.calls();
    let seen: Vec<(&str, Option<&str>)> =
        calls.iter().map(|call| (call.action.as_str(), call.role.as_deref())).collect();
    let role = Some(platform.role.as_str());
    assert_eq!(seen, [("AssumeRole", role), ("GetCallerIdentity", role), ("Decrypt", role)]);
}

#[test]
fn a_role_of_the_config_replaces_the_rules() {
    let platform = Platform::new();
    let rules = platform.lab.role("in-the-rule");
    platform.repo.tamper(".sops.yaml", |text| text.replace(&platform.role, &rules));
    platform.assert_refused(DIRECTORY, &[Code::KmsDenied], &["Secret database", &rules]);
    let before = platform.lab.calls().len();
    let spec = format!("aws: {{assumeRole: '{}'}}", platform.role);
    platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), &spec);
    assert!(platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok().contains("canary-password"));
    let calls = platform.lab.calls().split_off(before);
    assert_eq!(calls[0].target.as_deref(), Some(platform.role.as_str()), "{calls:?}");
    assert!(calls.iter().all(|call| call.target.as_deref() != Some(&rules)), "{calls:?}");
}

#[test]
fn the_metadatas_role_is_assumed_only_where_the_policy_is_metadata() {
    let platform = Platform::new();
    platform.repo.write(".sops.yaml", "creation_rules: []\n");
    platform.assert_refused(DIRECTORY, &[Code::NoRule], &["Secret database"]);
    assert!(platform.lab.calls().is_empty());
    platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), "onNoRule: metadata");
    assert!(platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok().contains("canary-password"));
    let calls = platform.lab.calls();
    assert_eq!(of(&calls, "AssumeRole")[0].target.as_deref(), Some(platform.role.as_str()));
}

#[test]
fn throttling_without_end() {
    let platform = Platform::new();
    platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), "aws: {timeout: 8s}");
    platform.lab.fault(Fault::on("kms", "Decrypt").error("ThrottlingException"));
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin);
    let also = ["Secret database", "too many calls at once", "maxConcurrency"];
    expect::refused(&platform.lab, &platform.repo, &built, &[Code::KmsUnreachable], &also);
    assert_eq!(of(&platform.lab.calls(), "Decrypt").len(), 5, "there is no time for more than one round");
}

#[test]
fn no_credentials_at_all() {
    let platform = Platform::new();
    let built = platform.lab.build_with(&platform.repo, DIRECTORY, Mode::Plugin, |command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    });
    expect::refused(
        &platform.lab,
        &platform.repo,
        &built,
        &[Code::KmsDenied],
        &["Secret database", "credentials"],
    );
    assert!(platform.lab.calls().is_empty());
}

#[test]
fn two_groups_of_which_both_must_answer() {
    let lab = Lab::new();
    let keys = [lab.open_key("us-west-2"), lab.open_key("us-east-1")];
    let groups = keys.each_ref().map(|key| format!("  - kms: [{{arn: '{key}'}}]\n")).concat();
    let repo = with_groups(&lab, "shamir_threshold: 2", &groups);
    lab.assert_decrypts(&repo, ".");
    lab.fault(Fault::on("kms", "Decrypt").target(&keys[1]).error("AccessDeniedException"));
    // One group was denied: that one reason is the refusal.
    let refused = lab.build(&repo, ".", Mode::Plugin);
    let also = [keys[1].as_str(), "Secret database", "secret.yaml"];
    expect::refused(&lab, &repo, &refused, &[Code::KmsDenied], &also);
}

#[test]
fn a_threshold_of_one_share_does_not_exist() {
    let lab = Lab::new();
    let keys = [lab.open_key("us-west-2"), lab.open_key("us-east-1")];
    let groups = keys.each_ref().map(|key| format!("  - kms: [{{arn: '{key}'}}]\n")).concat();
    let repo = with_groups(&lab, "shamir_threshold: 2", &groups);
    // sops makes no such file: of the shares that a data key is split into, two at least are needed.
    let rules = repo.read(".sops.yaml").replace("shamir_threshold: 2", "shamir_threshold: 1");
    repo.write("lower.yaml", &rules).write("plain.yaml", DATABASE);
    let mut sops = run::command(&run::tool("bin/sops"));
    sops.current_dir(repo.root()).args(["--config", "lower.yaml", "encrypt", "plain.yaml"]);
    let made = run::run(lab.for_encrypter(&mut sops), "");
    assert!(made.code != Some(0) && made.stderr.contains("threshold must be at least 2"), "{made}");
    // Where somebody lowers it in the file, two are needed all the same, and the one that is missing is the cause.
    repo.tamper("secret.yaml", |text| text.replace("shamir_threshold: 2", "shamir_threshold: 1"));
    lab.fault(Fault::on("kms", "Decrypt").target(&keys[0]).error("AccessDeniedException"));
    let refused = lab.build(&repo, ".", Mode::Plugin);
    let also = ["Secret database", "secret.yaml", keys[0].as_str()];
    expect::refused(&lab, &repo, &refused, &[Code::KmsDenied], &also);
}
