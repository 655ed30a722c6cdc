use std::time::{Duration, Instant};

use super::super::*;
use super::server::{Reply, Request, Server};
use super::{WEST, block_on, grant, keys, keys_at, kms_error, shown, sts_error, well, with_role};
use crate::keys::Keys;

/// What comes of one grant, as people see it.
fn said(keys: &Keys, grant: &Grant, address: &str) -> (Code, String) {
    let problem = block_on(keys.unwrap(grant)).unwrap_err();
    (problem.code, shown(problem, address))
}

fn decrypt_answer(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Code, String) {
    let aws = Server::start(answer);
    said(&keys(&aws.url()), &grant(WEST, "one"), &aws.address.to_string())
}

#[test]
fn a_refusal_says_who_may_not_do_what_and_what_aws_said() {
    let aws = Server::start(|request| match request.operation() {
        "Decrypt" => kms_error(
            400,
            "AccessDeniedException",
            "User: arn:aws:sts::111122223333:assumed-role/deploy/krm-sops@pod-1 is not authorized to perform: kms:Decrypt",
        ),
        _ => well(request),
    });
    let mut grant = with_role(grant(WEST, "one"));
    grant.key.context.insert("env".into(), "prod".into());
    let (code, text) = said(&keys(&aws.url()), &grant, &aws.address.to_string());
    assert_eq!(code, Code::KmsDenied);
    insta::assert_snapshot!(text, @r"
    error[kms-denied]: KMS in us-west-2 at HOST refused to unwrap the data key with arn:aws:kms:us-west-2:111122223333:key/west (encryption context env=prod) as arn:aws:iam::111122223333:role/ci/deploy
       cause: the caller may not decrypt with this key
       cause: AWS answered AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/deploy/krm-sops@pod-1 is not authorized to perform: kms:Decrypt (request req-1)
        help: allow kms:Decrypt on this key to the role, in its IAM policy and the key's policy
    ");
}

#[test]
fn every_refusal_of_kms_is_explained() {
    for (code, words) in [
        ("AccessDeniedException", "may not decrypt with this key"),
        ("NotFoundException", "no such key"),
        ("DisabledException", "the key is disabled"),
        ("KMSInvalidStateException", "pending deletion"),
        ("InvalidCiphertextException", "another encryption context"),
        ("IncorrectKeyException", "another key"),
        ("InvalidKeyUsageException", "not a key for encryption"),
        ("UnrecognizedClientException", "does not know the credentials"),
        ("ExpiredTokenException", "have expired"),
        ("InvalidSignatureException", "clock"),
        ("OptInRequired", "opted in"),
        ("ValidationException", "invalid"),
        ("SomethingNewException", "AWS answered"),
    ] {
        let (kind, text) = decrypt_answer(move |_| kms_error(400, code, ""));
        assert_eq!(kind, Code::KmsDenied, "{text}");
        assert!(text.contains(words) && text.contains(code) && text.contains("req-1"), "{text}");
        assert!(text.contains(WEST), "{text}");
    }
}

#[test]
fn messages_that_may_repeat_the_request_are_not_quoted() {
    // `shown` fails where the token is in the text.
    let canonical = "The canonical string should have been 'POST x-amz-security-token:hunter2-token'";
    for code in ["SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "Unheard"] {
        decrypt_answer(move |_| kms_error(403, code, canonical));
    }
    let aws = Server::start(move |_| sts_error("SignatureDoesNotMatch", canonical));
    let (code, text) = said(&keys(&aws.url()), &with_role(grant(WEST, "one")), &aws.address.to_string());
    assert_eq!(code, Code::RoleDenied, "{text}");
}

#[test]
fn a_long_message_is_cut() {
    let (_, text) = decrypt_answer(|_| kms_error(400, "NotFoundException", &"long ".repeat(10_000)));
    assert!(text.len() < 2_000, "{}", text.len());
}

#[test]
fn a_refused_role_is_role_denied_whatever_the_reason() {
    for (code, words) in [
        ("ExpiredToken", "have expired"),
        ("InvalidClientTokenId", "does not know"),
        ("RegionDisabledException", "not active in this region"),
        ("ValidationError", "ARNs"),
    ] {
        let aws = Server::start(move |_| sts_error(code, "as it is"));
        let (kind, text) = said(&keys(&aws.url()), &with_role(grant(WEST, "one")), &aws.address.to_string());
        assert_eq!(kind, Code::RoleDenied, "{text}");
        assert!(text.contains(words) && text.contains(code), "{text}");
        assert_eq!(
            aws.count("GetCallerIdentity"),
            0,
            "only a caller that is denied may be in the role already"
        );
    }
}

#[test]
fn throttling_is_waited_out() {
    let calls = Mutex::new(0);
    let aws = Server::start(move |request| {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        if *calls < 5 { kms_error(400, "ThrottlingException", "Rate exceeded") } else { well(request) }
    });
    let bytes = block_on(keys(&aws.url()).unwrap(&grant(WEST, "one"))).unwrap();
    assert_eq!(bytes.expose(), b"one");
    assert_eq!(aws.count("Decrypt"), 5);
}

#[test]
fn throttling_of_many_calls_is_waited_out_too() {
    let seen = Mutex::new(std::collections::HashMap::<String, u32>::new());
    let aws = Server::start(move |request| {
        let mut seen = seen.lock().unwrap();
        let calls = seen.entry(request.body.clone()).or_default();
        *calls += 1;
        if *calls < 5 { kms_error(400, "ThrottlingException", "Rate exceeded") } else { well(request) }
    });
    let keys = Arc::new(keys(&aws.url()));
    block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..64 {
            let keys = Arc::clone(&keys);
            tasks.spawn(async move { keys.unwrap(&grant(WEST, &index.to_string())).await.unwrap() });
        }
        tasks.join_all().await;
    });
    assert_eq!(aws.count("Decrypt"), 64 * 5);
}

#[test]
fn throttling_that_does_not_end_is_unreachable() {
    let aws = Server::start(|_| kms_error(400, "ThrottlingException", "Rate exceeded"));
    let (code, text) = said(&keys(&aws.url()), &grant(WEST, "one"), &aws.address.to_string());
    assert_eq!((code, aws.count("Decrypt")), (Code::KmsUnreachable, 5));
    insta::assert_snapshot!(text, @r"
    error[kms-unreachable]: the data key could not be unwrapped with arn:aws:kms:us-west-2:111122223333:key/west by way of KMS in us-west-2 at HOST
       cause: too many calls at once, and waiting between the retries did not help
       cause: AWS answered ThrottlingException (request req-1)
        help: lower spec.aws.maxConcurrency, or ask AWS for a higher quota
    ");
}

#[test]
fn trouble_of_kms_is_retried_and_then_unreachable() {
    for (status, code) in [(500, "KMSInternalException"), (503, "ServiceUnavailable"), (500, "SomethingNew")]
    {
        let aws = Server::start(move |_| kms_error(status, code, ""));
        let (kind, text) = said(&keys(&aws.url()), &grant(WEST, "one"), &aws.address.to_string());
        assert_eq!((kind, aws.count("Decrypt")), (Code::KmsUnreachable, 5), "{text}");
        assert!(text.contains("trouble of its own") && text.contains(code), "{text}");
    }
}

#[test]
fn an_endpoint_that_stalls_ends_the_call_in_time() {
    let aws = Server::start(|_| Reply::Silence);
    let settings = Settings { timeout: Duration::from_millis(300), ..Settings::default() };
    let keys = keys_at(&aws.url(), settings, Proxies::none());
    let start = Instant::now();
    let (code, text) = said(&keys, &grant(WEST, "one"), &aws.address.to_string());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(code, Code::KmsUnreachable);
    insta::assert_snapshot!(text, @r"
    error[kms-unreachable]: the data key could not be unwrapped with arn:aws:kms:us-west-2:111122223333:key/west by way of KMS in us-west-2 at HOST
       cause: HOST gave no answer within 300ms
        help: check network, DNS, proxy and CA bundle; a container function needs `network: true` and --network
    ");
    assert!(aws.count("Decrypt") > 1, "a connection that hangs is not the end of the call");
}

#[test]
fn an_answer_that_is_not_of_aws_is_not_shown() {
    for status in [200, 302, 403, 407, 502] {
        let (kind, text) =
            decrypt_answer(move |_| Reply::Http(status, "<html>Blocked hunter2</html>".into()));
        assert_eq!(kind, Code::KmsUnreachable, "{text}");
        assert!(text.contains(&format!("HTTP status {status}")), "{text}");
    }
}

#[test]
fn an_answer_without_a_data_key_is_an_error() {
    for body in ["{}", r#"{"Plaintext":""}"#, r#"{"Plaintext":null}"#] {
        let (kind, text) = decrypt_answer(move |_| Reply::Http(200, body.into()));
        assert_eq!(kind, Code::KmsUnreachable, "{text}");
        assert!(text.contains("without the data key"), "{text}");
    }
}

#[test]
fn an_assumed_role_without_credentials_is_an_error() {
    let aws = Server::start(|_| Reply::Http(200, "<AssumeRoleResponse/>".into()));
    let (kind, text) = said(&keys(&aws.url()), &with_role(grant(WEST, "one")), &aws.address.to_string());
    assert_eq!(kind, Code::KmsUnreachable, "{text}");
}
