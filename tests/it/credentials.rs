//! Who krm-sops is before it assumes the rule's role: each part of the SDK's chain that can be had on one machine. What
//! AWS saw is the judge: which identity assumed the role, and that the role decrypted.

use std::process::Command;

use krm_sops::diagnostics::Code;

use crate::support::metadata::{Metadata, of_container, of_instance, of_sign_on};
use crate::support::{Fault, Finished, Lab, Mode, Platform, canary, expect};

const DIRECTORY: &str = "clusters/us-west-2-platform-engineering-sbx";

/// The platform, and what its caller is given instead of keys in the environment.
struct Caller {
    platform: Platform,
}

impl Caller {
    fn new() -> Self {
        Self { platform: Platform::new() }
    }

    fn lab(&self) -> &Lab {
        &self.platform.lab
    }

    /// A file beside the repository's own, and where it is.
    fn file(&self, name: &str, text: &str) -> String {
        self.platform.repo.write(name, text);
        self.platform.repo.path(name).display().to_string()
    }

    /// Builds with this environment: AWS is where it was, and what the lab's callers otherwise have is gone. An instance
    /// has no metadata unless the test brings it.
    fn build(&self, environment: &[(&str, &str)]) -> Finished {
        self.platform.lab.build_with(&self.platform.repo, DIRECTORY, Mode::Plugin, |command: &mut Command| {
            command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
            command.envs(environment.iter().copied());
        })
    }

    /// Asserts that this environment decrypts, and gives away nothing on the way.
    #[track_caller]
    fn decrypts(&self, environment: &[(&str, &str)]) {
        let built = self.build(environment);
        assert!(built.stderr.is_empty(), "{built}");
        assert!(built.ok().contains("password: canary-password"));
    }

    /// Asserts that this environment is refused so.
    #[track_caller]
    fn refused(&self, environment: &[(&str, &str)], code: Code, also: &[&str]) {
        let built = self.build(environment);
        let also: Vec<&str> = also.iter().copied().chain(["Secret database"]).collect();
        expect::refused(&self.platform.lab, &self.platform.repo, &built, &[code], &also);
        let hidden = [("what a program printed".to_owned(), "hunter2".to_owned())];
        canary::assert_silent(&built, &hidden);
    }

    /// What AWS saw: the action, the role that called (none: the caller itself), and what it is about.
    fn seen(&self) -> Vec<(String, Option<String>, Option<String>)> {
        let calls = self.platform.lab.calls().into_iter();
        calls.map(|call| (call.action, call.role, call.target)).collect()
    }

    /// What AWS sees where this role (none: the caller itself) assumes the rule's, and that one decrypts.
    fn by_way_of(&self, starting: Option<&str>) -> Vec<(String, Option<String>, Option<String>)> {
        let role = Some(self.platform.role.clone());
        vec![
            ("AssumeRole".into(), starting.map(str::to_owned), role.clone()),
            ("Decrypt".into(), role, Some(self.platform.west.clone())),
        ]
    }
}

fn keys(section: &str, access_key: &str) -> String {
    format!("[{section}]\naws_access_key_id = {access_key}\naws_secret_access_key = lab\n")
}

#[test]
fn the_environment() {
    let caller = Caller::new();
    let access_key = caller.lab().caller();
    caller.decrypts(&[("AWS_ACCESS_KEY_ID", &access_key), ("AWS_SECRET_ACCESS_KEY", "lab")]);
    assert_eq!(caller.seen(), caller.by_way_of(None));
}

#[test]
fn the_default_profile_and_aws_profile() {
    let caller = Caller::new();
    let file = caller.file("credentials", &keys("default", &caller.lab().caller()));
    caller.decrypts(&[("AWS_SHARED_CREDENTIALS_FILE", &file)]);
    assert_eq!(caller.seen(), caller.by_way_of(None));

    let caller = Caller::new();
    let text = [keys("default", "AKIANOBODY"), keys("profile build", &caller.lab().caller())].concat();
    let file = caller.file("config", &text);
    caller.decrypts(&[("AWS_CONFIG_FILE", &file), ("AWS_PROFILE", "build")]);
    assert_eq!(caller.seen(), caller.by_way_of(None));
    // Keys in the environment go before the profile.
    let environment = [
        ("AWS_CONFIG_FILE", file.as_str()),
        ("AWS_PROFILE", "default"),
        ("AWS_ACCESS_KEY_ID", &caller.lab().caller()),
        ("AWS_SECRET_ACCESS_KEY", "lab"),
    ];
    caller.decrypts(&environment);
    assert_eq!(caller.seen(), [caller.by_way_of(None), caller.by_way_of(None)].concat());
    let also = ["absent", "AWS_PROFILE"];
    caller.refused(&[("AWS_CONFIG_FILE", &file), ("AWS_PROFILE", "absent")], Code::KmsDenied, &also);
}

#[test]
fn a_profile_with_a_role_and_a_source() {
    let caller = Caller::new();
    let hop = caller.lab().role("deployer");
    let profile = format!("[profile build]\nrole_arn = {hop}\nsource_profile = start\nregion = eu-west-1\n");
    let file = caller.file("config", &[profile, keys("profile start", &caller.lab().caller())].concat());
    let environment = [("AWS_CONFIG_FILE", file.as_str()), ("AWS_PROFILE", "build")];
    caller.decrypts(&environment);
    let first = ("AssumeRole".to_owned(), None, Some(hop.clone()));
    assert_eq!(caller.seen(), [vec![first], caller.by_way_of(Some(&hop))].concat());
    let regions: Vec<String> = caller.lab().calls().into_iter().map(|call| call.region).collect();
    assert_eq!(
        regions,
        ["eu-west-1", "us-west-2", "us-west-2"],
        "only the profile's own call goes to its region"
    );

    caller.file(
        "config",
        &caller.platform.repo.read("config").replace(&hop, "arn:aws:iam::123456789012:role/no"),
    );
    caller.refused(&environment, Code::KmsDenied, &["refused the credentials to start from", "AccessDenied"]);
}

#[test]
fn a_profile_of_the_rule_only_where_profiles_are_on() {
    let caller = Caller::new();
    let file = caller.file("config", &keys("profile laptop", &caller.lab().caller()));
    let rules =
        |text: &str| text.replace("            role:", "            aws_profile: laptop\n            role:");
    caller.platform.repo.tamper(".sops.yaml", rules);
    let environment = [("AWS_CONFIG_FILE", file.as_str())];
    caller.refused(&environment, Code::KmsDenied, &["no AWS credentials were found"]);
    caller.platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), "aws: {profiles: true}");
    caller.decrypts(&environment);
    assert_eq!(caller.seen(), caller.by_way_of(None));
}

#[test]
fn a_credential_process() {
    let caller = Caller::new();
    let printed = format!(
        r#"{{"Version": 1, "AccessKeyId": "{}", "SecretAccessKey": "lab", "Expiration": "2099-01-01T00:00:00Z"}}"#,
        caller.lab().caller()
    );
    let answer = caller.file("answer.json", &printed);
    let file = caller.file("config", &format!("[default]\ncredential_process = cat {answer}\n"));
    let environment = [("AWS_CONFIG_FILE", file.as_str())];
    caller.decrypts(&environment);
    assert_eq!(caller.seen(), caller.by_way_of(None));

    caller.file("answer.json", "hunter2");
    caller.refused(&environment, Code::KmsDenied, &["credential_process"]);
    caller.file("config", "[default]\ncredential_process = sh -c 'echo hunter2 >&2; exit 3'\n");
    caller.refused(&environment, Code::KmsDenied, &["exit status: 3", "credential_process"]);
}

#[test]
fn a_sign_on_as_aws_sso_login_leaves_it() {
    const TOKEN: &str = "hunter2-of-the-sign-on";
    let caller = Caller::new();
    let person = caller.lab().role("person");
    let portal = Metadata::start(of_sign_on(TOKEN, &caller.lab().session(&person)));
    let account = "sso_account_id = 123456789012\nsso_role_name = person\nsso_session = lab\n";
    let session = "[sso-session lab]\nsso_region = us-east-1\nsso_start_url = https://lab.example/start\n";
    let file = caller.file("config", &format!("[default]\n{account}{session}"));
    let home = caller.platform.repo.root().display().to_string();
    // The name of the file is SHA-1 of the session's name.
    let cached = ".aws/sso/cache/3953f9ddf975ab5097ee468d99555c5b441169bf.json";
    let token = format!(r#"{{"accessToken": "{TOKEN}", "expiresAt": "2099-01-01T00:00:00Z"}}"#);
    caller.file(cached, &token);
    let environment =
        [("AWS_CONFIG_FILE", file.as_str()), ("AWS_ENDPOINT_URL_SSO", &portal.url), ("HOME", &home)];
    caller.decrypts(&environment);
    assert_eq!(caller.seen(), caller.by_way_of(Some(&person)));
    assert_eq!(portal.asked().len(), 1, "{:?}", portal.asked());

    let login = "aws sso login";
    caller.file(cached, &token.replace("2099", "2019"));
    caller.refused(&environment, Code::KmsDenied, &[login]);
    caller.file(cached, &token.replace("-of-the", "-of-another"));
    caller.refused(&environment, Code::KmsDenied, &[login]);
    std::fs::remove_file(caller.platform.repo.path(cached)).expect("the token is there");
    caller.refused(&environment, Code::KmsDenied, &[login]);
}

#[test]
fn a_web_identity_as_of_irsa() {
    let caller = Caller::new();
    let pod = caller.lab().role("pod");
    let token = format!("token-of-the-service-account-{}", caller.lab().caller());
    caller.lab().trust(&token, &pod);
    let file = caller.file("token", &token);
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.as_str()),
        ("AWS_ROLE_ARN", &pod),
        ("AWS_ROLE_SESSION_NAME", "repo-server"),
    ];
    caller.decrypts(&environment);
    let first = ("AssumeRoleWithWebIdentity".to_owned(), None, Some(pod.clone()));
    assert_eq!(caller.seen(), [vec![first], caller.by_way_of(Some(&pod))].concat());
    assert_eq!(caller.lab().calls()[1].session.as_deref(), Some("repo-server"));

    let other = caller.lab().role("another");
    let denied = [environment[0], ("AWS_ROLE_ARN", other.as_str())];
    let also = ["AccessDenied", "the role does not trust this identity", "AWS_ROLE_ARN"];
    caller.refused(&denied, Code::KmsDenied, &also);
    caller.file("token", "hunter2");
    let also = ["InvalidIdentityToken", "the identity token is not accepted"];
    caller.refused(&environment, Code::KmsDenied, &also);
    let nowhere = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token"), environment[1]];
    caller.refused(&nowhere, Code::KmsDenied, &["No such file", "AWS_WEB_IDENTITY_TOKEN_FILE"]);
}

#[test]
fn a_container_as_of_eks_pod_identity() {
    const TOKEN: &str = "a-token-of-the-pod";
    let caller = Caller::new();
    let pod = caller.lab().role("pod");
    let service = Metadata::start(of_container(Some(TOKEN), &caller.lab().session(&pod)));
    let file = caller.file("token", TOKEN);
    let url = format!("{}/v1/credentials", service.url);
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file),
    ];
    caller.decrypts(&environment);
    assert_eq!(caller.seen(), caller.by_way_of(Some(&pod)));
    assert_eq!(service.asked(), ["GET /v1/credentials 200"]);

    caller.file("token", "hunter2");
    caller.refused(&environment, Code::KmsDenied, &["metadata service of the container"]);
    let elsewhere =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/v1/credentials"), environment[1]];
    caller.refused(&elsewhere, Code::KmsDenied, &["allowed IP address"]);
}

#[test]
fn a_container_with_its_token_in_the_environment() {
    const TOKEN: &str = "Bearer of-the-container";
    let caller = Caller::new();
    let task = caller.lab().role("task");
    let service = Metadata::start(of_container(Some(TOKEN), &caller.lab().session(&task)));
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN),
    ];
    caller.decrypts(&environment);
    assert_eq!(caller.seen(), caller.by_way_of(Some(&task)));
}

#[test]
fn the_metadata_of_an_instance() {
    let caller = Caller::new();
    let node = caller.lab().role("node");
    let service = Metadata::start(of_instance("node", &caller.lab().session(&node)));
    let environment =
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url.as_str()), ("AWS_EC2_METADATA_DISABLED", "false")];
    caller.decrypts(&environment);
    assert_eq!(caller.seen(), caller.by_way_of(Some(&node)));
    assert_eq!(service.asked().first().map(String::as_str), Some("PUT /latest/api/token 200"), "version 2");
}

#[test]
fn metadata_that_hands_out_the_rules_own_role() {
    // As kube2iam and kiam do for a pod that is annotated with the role, and as a pod's own role is by IRSA.
    let caller = Caller::new();
    let role = caller.platform.role.clone();
    let service = Metadata::start(of_instance("flux-secrets", &caller.lab().session(&role)));
    let environment =
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url.as_str()), ("AWS_EC2_METADATA_DISABLED", "false")];
    caller.decrypts(&environment);
    let actions: Vec<(String, Option<String>)> =
        caller.seen().into_iter().map(|(action, by, _)| (action, by)).collect();
    let expected = ["AssumeRole", "GetCallerIdentity", "Decrypt"];
    assert_eq!(actions, expected.map(|action| (action.to_owned(), Some(role.clone()))));
}

#[test]
#[ignore = "needs a network of its own with the addresses that AWS uses: `make test-long` gives it one"]
fn containers_and_instances_at_the_addresses_that_aws_uses() {
    const TOKEN: &str = "a-token-of-the-pod";
    let caller = Caller::new();
    let [task, pod, node] = ["task", "pod", "node"].map(|name| caller.lab().role(name));
    let session = |role: &str| caller.lab().session(role);
    let _ecs = Metadata::at("169.254.170.2:80", of_container(None, &session(&task)));
    let _eks = Metadata::at("169.254.170.23:80", of_container(Some(TOKEN), &session(&pod)));
    let _ec2 = Metadata::at("169.254.169.254:80", of_instance("node", &session(&node)));
    let file = caller.file("token", TOKEN);
    // No proxy may stand between them: it would answer for another machine, or, as this one, for nobody.
    let proxies = [("HTTP_PROXY", "http://127.0.0.1:9"), ("HTTPS_PROXY", "http://127.0.0.1:9")];
    let ecs = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/4e1f")];
    let eks = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.as_str()),
    ];
    let ec2 = [("AWS_EC2_METADATA_DISABLED", "false")];
    let mut expected = Vec::new();
    for (environment, role) in [(&ecs[..], task), (&eks[..], pod), (&ec2[..], node)] {
        caller.decrypts(&[environment, &proxies[..]].concat());
        expected.extend(caller.by_way_of(Some(&role)));
    }
    assert_eq!(caller.seen(), expected);
}

#[test]
fn metadata_without_the_tokens_of_version_2() {
    let caller = Caller::new();
    let service = Metadata::start(|_| (404, String::new()));
    let environment =
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url.as_str()), ("AWS_EC2_METADATA_DISABLED", "false")];
    caller.refused(&environment, Code::KmsDenied, &["received 404 from IMDS"]);
    assert!(caller.seen().is_empty());
}

#[test]
fn what_aws_repeats_of_a_request_is_not_shown() {
    // For a signature that it does not like, AWS quotes the headers that were signed, the session token among them.
    let caller = Caller::new();
    let profile = "[default]\nrole_arn = arn:aws:iam::123456789012:role/deployer\nsource_profile = start\n";
    let file =
        caller.file("config", &[profile.to_owned(), keys("profile start", &caller.lab().caller())].concat());
    let quoted = "The Canonical String should have been\nx-amz-security-token:hunter2";
    let fault = Fault::on("sts", "AssumeRole").error("SignatureDoesNotMatch").status(403).message(quoted);
    caller.lab().fault(fault);
    caller.refused(&[("AWS_CONFIG_FILE", &file)], Code::KmsDenied, &["AWS does not accept the signature"]);
}

#[test]
fn keys_that_aws_does_not_take() {
    for (error, means) in [
        ("ExpiredToken", "the credentials have expired"),
        ("InvalidClientTokenId", "AWS does not know the credentials"),
    ] {
        let caller = Caller::new();
        let access_key = caller.lab().caller();
        caller.lab().fault(Fault::on("sts", "AssumeRole").error(error).status(403));
        let environment = [("AWS_ACCESS_KEY_ID", access_key.as_str()), ("AWS_SECRET_ACCESS_KEY", "lab")];
        caller.refused(&environment, Code::RoleDenied, &[means, error, "renew the credentials"]);
    }
}
