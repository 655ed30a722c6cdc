//! What comes from the environment, in child processes that have one of their own: the SDK reads it by itself.

use std::env::current_exe;
use std::io::Write as _;
use std::process::Command;

use tempfile::NamedTempFile;

use super::super::*;
use super::server::{Reply, Request, Server};
use super::{EAST, WEST, block_on, grant, sts_error, well, with_role};
use crate::diagnostics::{Diagnostic, Severity, render};
use crate::keys::Keys;

/// Runs `child` with these variables and no others.
fn run(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(current_exe().unwrap());
    command.args(["--exact", "keys::aws_kms::tests::environment::child", "--ignored", "--nocapture"]);
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("PATH", "/usr/bin:/bin");
    for file in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        command.env(file, "/nonexistent");
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    text
}

/// Unwraps one data key and says what came of it. `KRM_SOPS_TEST` says how: words of `role`, `profile`, `east`.
#[test]
#[ignore = "the other tests here run it, each with an environment of its own"]
#[expect(clippy::disallowed_methods, reason = "the environment is what is tested")]
fn child() {
    let how = std::env::var("KRM_SOPS_TEST").unwrap_or_default();
    let mut grant = grant(if how.contains("east") { EAST } else { WEST }, "data key");
    if how.contains("role") {
        grant = with_role(grant);
    }
    grant.profile = how.contains("profile").then(|| "team".to_owned());
    let keys = Keys::new(Settings { timeout: std::time::Duration::from_secs(10), ..Settings::default() });
    match block_on(keys.unwrap(&grant)) {
        Ok(bytes) => println!("unwrapped: {}", String::from_utf8_lossy(bytes.expose())),
        Err(problem) => println!("{}", render(&Diagnostic::new(Severity::Error, problem))),
    }
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];

fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

#[test]
fn one_endpoint_for_all_services() {
    let aws = Server::start(well);
    let mut variables = KEYS.to_vec();
    let url = aws.url();
    variables.extend([("AWS_ENDPOINT_URL", url.as_str()), ("KRM_SOPS_TEST", "role east")]);
    assert!(run(&variables).contains("unwrapped: data key"));
    let signers: Vec<_> = aws.requests().iter().map(Request::signer).collect();
    assert_eq!(signers, ["ENVIRONMENT/us-east-1/sts", "ASSUMED/us-east-1/kms"]);
}

#[test]
fn an_endpoint_for_each_service() {
    let (kms, sts, other) = (Server::start(well), Server::start(well), Server::start(well));
    let (kms_url, sts_url, other_url) = (kms.url(), sts.url(), other.url());
    let mut variables = KEYS.to_vec();
    variables.extend([
        ("AWS_ENDPOINT_URL", other_url.as_str()),
        ("AWS_ENDPOINT_URL_KMS", &kms_url),
        ("AWS_ENDPOINT_URL_STS", &sts_url),
        ("KRM_SOPS_TEST", "role"),
    ]);
    assert!(run(&variables).contains("unwrapped: data key"));
    assert_eq!((kms.count("Decrypt"), sts.count("AssumeRole"), other.requests().len()), (1, 1, 0));
}

#[test]
fn an_endpoint_of_the_profile() {
    let aws = Server::start(well);
    let config = file(&format!(
        "[default]\naws_access_key_id = PROFILE\naws_secret_access_key = hunter2\nservices = local\n\
         [services local]\nkms =\n  endpoint_url = {0}\nsts =\n  endpoint_url = {0}\n",
        aws.url()
    ));
    assert!(run(&[("AWS_CONFIG_FILE", path(&config)), ("KRM_SOPS_TEST", "role")]).contains("unwrapped"));
    assert_eq!(aws.requests().len(), 2);
    assert_eq!(aws.requests()[0].signer(), "PROFILE/us-west-2/sts");
}

#[test]
fn a_profile_that_is_named_goes_before_the_environment() {
    let aws = Server::start(well);
    let (url, config) = (
        aws.url(),
        file(
            "[profile team]\naws_access_key_id = TEAM\naws_secret_access_key = hunter2\nregion = eu-west-1\n",
        ),
    );
    let mut variables = KEYS.to_vec();
    variables.extend([("AWS_ENDPOINT_URL", url.as_str()), ("AWS_CONFIG_FILE", path(&config))]);
    assert!(run(&variables).contains("unwrapped"));
    variables.push(("KRM_SOPS_TEST", "profile"));
    assert!(run(&variables).contains("unwrapped"));
    let signers: Vec<_> = aws.requests().iter().map(Request::signer).collect();
    assert_eq!(signers, ["ENVIRONMENT/us-west-2/kms", "TEAM/us-west-2/kms"]);
}

#[test]
fn a_profile_that_is_not_there() {
    let mut variables = KEYS.to_vec();
    variables.push(("KRM_SOPS_TEST", "profile"));
    let text = run(&variables);
    assert!(text.contains("error[kms-denied]: no AWS credentials were found in the profile team"), "{text}");
}

#[test]
fn no_credentials_at_all() {
    let text = run(&[]);
    let text = text.lines().skip_while(|line| !line.starts_with("error")).take_while(|line| !line.is_empty());
    let text = text.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(text, @r"
    error[kms-denied]: no AWS credentials were found
       cause: Environment: environment variable not set
       cause: Profile: not set up
       cause: WebIdentityToken: $AWS_WEB_IDENTITY_TOKEN_FILE was not set
       cause: EcsContainer: ECS provider not configured
       cause: Ec2InstanceMetadata: IMDS disabled by AWS_EC2_METADATA_DISABLED env var set to `true`
        help: give them by environment (AWS_ACCESS_KEY_ID, …), profile (AWS_PROFILE, ~/.aws), web identity, EKS Pod Identity, ECS, or EC2 instance role; a container function sees only the variables that its `envs` lists
    ");
}

#[test]
fn a_web_identity_is_asked_for_at_the_region_of_the_environment() {
    let aws = Server::start(|request| match request.operation() {
        "AssumeRoleWithWebIdentity" => sts_error("AccessDenied", "Not authorized to perform this"),
        _ => well(request),
    });
    let token = file("hunter2");
    let url = aws.url();
    let text = run(&[
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", path(&token)),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod"),
        ("AWS_REGION", "eu-central-1"),
    ]);
    assert!(text.contains("error[kms-denied]: STS in eu-central-1"), "{text}");
    assert!(
        text.contains("AWS answered AccessDenied: Not authorized to perform this (request req-1)"),
        "{text}"
    );
}

#[test]
fn a_credential_process_that_fails_is_not_quoted() {
    let config = file("[default]\ncredential_process = sh -c 'echo hunter2 >&2; exit 3'\n");
    let text = run(&[("AWS_CONFIG_FILE", path(&config))]);
    assert!(text.contains("error[kms-denied]: the AWS credentials cannot be loaded"), "{text}");
    assert!(text.contains("exit status: 3"), "{text}");
}

#[test]
fn a_proxy_of_the_environment_is_used_except_for_credential_services() {
    let proxy = Server::start(well);
    let container = Server::start(|_| {
        Reply::Http(
            200,
            r#"{"AccessKeyId":"CONTAINER","SecretAccessKey":"hunter2","Token":"hunter2","Expiration":"2099-01-01T00:00:00Z"}"#
                .into(),
        )
    });
    let (proxy_url, container_url) = (proxy.url(), format!("{}/creds", container.url()));
    let text = run(&[
        ("HTTP_PROXY", &proxy_url),
        ("AWS_ENDPOINT_URL", "http://aws.invalid"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container_url),
    ]);
    assert!(text.contains("unwrapped: data key"), "{text}");
    assert_eq!(container.requests()[0].line, "GET /creds");
    assert_eq!(proxy.requests().len(), 1);
    assert_eq!(proxy.requests()[0].line, "POST http://aws.invalid/");
    assert_eq!(proxy.requests()[0].signer(), "CONTAINER/us-west-2/kms");
}
