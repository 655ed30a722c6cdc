mod calls;
mod environment;
mod failures;
mod network;
mod server;

use std::num::NonZeroUsize;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::config::retry::RetryConfig;

use super::*;
use crate::diagnostics::{Diagnostic, Severity, render};
use crate::keys::Keys;
use crate::master_key::MasterKey;
use server::{Reply, Request};

const WEST: &str = "arn:aws:kms:us-west-2:111122223333:key/west";
const EAST: &str = "arn:aws:kms:us-east-1:111122223333:key/east";
const ROLE: &str = "arn:aws:iam::111122223333:role/ci/deploy";

/// A grant for a data key that the stand-in unwraps to `plaintext`.
fn grant(key: &str, plaintext: &str) -> Grant {
    Grant {
        key: MasterKey::new(KeyKind::AwsKms, key),
        wrapped: base64_simd::STANDARD.encode_to_string(plaintext),
        role: None,
        profile: None,
    }
}

fn with_role(grant: Grant) -> Grant {
    Grant { role: Some(ROLE.into()), ..grant }
}

/// What KMS and STS answer when all is well. The stand-in "wraps" a data key by leaving it as it is.
fn well(request: &Request) -> Reply {
    match request.operation() {
        "Decrypt" => {
            let ciphertext = &request.json()["CiphertextBlob"];
            Reply::Http(200, serde_json::json!({ "KeyId": WEST, "Plaintext": ciphertext }).to_string())
        }
        "AssumeRole" => Reply::Http(200, ASSUMED.into()),
        _ => Reply::Http(400, String::new()),
    }
}

const ASSUMED: &str = "<AssumeRoleResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><AssumeRoleResult>\
    <Credentials><AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>hunter2</SecretAccessKey>\
    <SessionToken>hunter2-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
    </AssumeRoleResult></AssumeRoleResponse>";

fn sts_error(code: &str, message: &str) -> Reply {
    Reply::Http(
        403,
        format!(
            "<ErrorResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>req-1</RequestId></ErrorResponse>"
        ),
    )
}

fn kms_error(status: u16, code: &str, message: &str) -> Reply {
    Reply::Http(status, serde_json::json!({ "__type": code, "message": message }).to_string())
}

/// The provider, with a caller of fixed credentials whose services are all at `endpoint`, and quick retries.
fn keys_at(endpoint: &str, settings: Settings, proxies: Proxies) -> Keys {
    let provider = AwsKms::new(Arc::new(settings));
    let transport = Transport::new(proxies, provider.settings.ca_bundle.clone());
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .http_client(transport.http.clone())
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
        .build();
    let credentials = Credentials::new("CALLER", "hunter2", Some("hunter2-token".into()), None, "test");
    let caller = Caller::new(&config, credentials, provider.settings.timeout);
    provider.callers.put(&None, Ok(caller));
    assert!(provider.transport.set(transport).is_ok());
    Keys::of(vec![Box::new(provider)], NonZeroUsize::new(64).unwrap())
}

fn keys(endpoint: &str) -> Keys {
    let settings = Settings { host: "pod-1".into(), timeout: Duration::from_secs(8), ..Settings::default() };
    keys_at(endpoint, settings, Proxies::none())
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The problem as people see it, with the stand-in's address (if any is given) as `HOST`, and no secret in it.
fn shown(problem: Problem, address: &str) -> String {
    let mut text = render(&Diagnostic::new(Severity::Error, problem));
    if !address.is_empty() {
        text = text.replace(address, "HOST");
    }
    assert!(!text.contains("hunter2"), "{text}");
    text
}
