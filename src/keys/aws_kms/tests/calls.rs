use tokio::task::JoinSet;

use super::super::*;
use super::server::{Reply, Request, Server};
use super::{EAST, ROLE, WEST, block_on, grant, keys, shown, sts_error, well, with_role};
use crate::keys::Keys;

/// Unwraps 64 data keys at once, half of them in each of two regions, as one role.
fn unwrap_64(keys: &Arc<Keys>) -> Vec<Result<String, Problem>> {
    block_on(async {
        let mut tasks = JoinSet::new();
        for index in 0..64 {
            let keys = Arc::clone(keys);
            let grant = with_role(grant([WEST, EAST][index % 2], &format!("data key {index}")));
            tasks.spawn(async move {
                let bytes = keys.unwrap(&grant).await?;
                assert_eq!(bytes.expose(), format!("data key {index}").as_bytes());
                Ok(String::from_utf8(bytes.expose().to_vec()).unwrap())
            });
        }
        tasks.join_all().await
    })
}

#[test]
fn a_role_is_assumed_once_a_region_for_64_calls_that_start_together() {
    let aws = Server::start(well);
    let keys = Arc::new(keys(&aws.url()));
    assert!(unwrap_64(&keys).into_iter().all(|answer| answer.is_ok()));

    assert_eq!((aws.count("AssumeRole"), aws.count("Decrypt")), (2, 64));
    assert_eq!(aws.requests().len(), 66);
    let signers = |operation: &str| {
        let requests = aws.requests().into_iter().filter(|request| request.operation() == operation);
        let mut signers: Vec<_> = requests.map(|request| request.signer()).collect();
        signers.sort();
        signers.dedup();
        signers
    };
    assert_eq!(signers("AssumeRole"), ["CALLER/us-east-1/sts", "CALLER/us-west-2/sts"]);
    assert_eq!(signers("Decrypt"), ["ASSUMED/us-east-1/kms", "ASSUMED/us-west-2/kms"]);
    for request in aws.requests().iter().filter(|request| request.operation() == "AssumeRole") {
        assert!(request.body.contains("RoleSessionName=krm-sops%40pod-1"), "{}", request.body);
        assert!(request.body.contains("role%2Fci%2Fdeploy"), "{}", request.body);
    }
    assert!(keys.notes().is_empty());
}

#[test]
fn without_a_role_the_caller_decrypts() {
    let aws = Server::start(well);
    let bytes = block_on(keys(&aws.url()).unwrap(&grant(WEST, "data key"))).unwrap();
    assert_eq!(bytes.expose(), b"data key");
    assert_eq!(aws.requests().len(), 1);
    assert_eq!(aws.requests()[0].signer(), "CALLER/us-west-2/kms");
    assert!(aws.requests()[0].header("user-agent").contains("app/krm-sops"));
}

#[test]
fn a_call_sends_the_key_the_ciphertext_and_the_context_and_nothing_else() {
    let aws = Server::start(well);
    let keys = keys(&aws.url());
    let plain = grant(WEST, "one");
    let mut context = grant("arn:aws:kms:us-west-2:111122223333:alias/team", "two");
    context.key.context.insert("env".into(), "prod".into());
    // Line breaks, as PyYAML folds long strings, do not count.
    context.wrapped.insert(2, '\n');
    block_on(async {
        keys.unwrap(&plain).await.unwrap();
        keys.unwrap(&context).await.unwrap();
    });
    let sent: Vec<_> = aws.requests().iter().map(Request::json).collect();
    assert_eq!(sent[0], serde_json::json!({ "KeyId": WEST, "CiphertextBlob": "b25l" }));
    assert_eq!(
        sent[1],
        serde_json::json!({
            "KeyId": "arn:aws:kms:us-west-2:111122223333:alias/team",
            "CiphertextBlob": "dHdv",
            "EncryptionContext": { "env": "prod" },
        })
    );
}

const DENIED: &str = "User: arn:aws:sts::111122223333:assumed-role/other/i-1 is not authorized to perform: \
    sts:AssumeRole on resource: arn:aws:iam::111122223333:role/ci/deploy";

fn identity(arn: &str) -> Reply {
    Reply::Http(
        200,
        format!(
            "<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><GetCallerIdentityResult>\
             <Arn>{arn}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
        ),
    )
}

#[test]
fn a_denied_role_is_denied_once_for_all() {
    let aws = Server::start(|request| match request.operation() {
        "AssumeRole" => sts_error("AccessDenied", DENIED),
        "GetCallerIdentity" => identity("arn:aws:sts::111122223333:assumed-role/other/i-1"),
        _ => well(request),
    });
    let keys = Arc::new(keys(&aws.url()));
    let answers = unwrap_64(&keys);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap_err().code == Code::RoleDenied));
    assert_eq!((aws.count("AssumeRole"), aws.count("GetCallerIdentity"), aws.count("Decrypt")), (2, 1, 0));
    let west = answers.into_iter().map(Result::unwrap_err).find(|problem| problem.what.contains("west"));
    insta::assert_snapshot!(shown(west.unwrap(), &aws.address.to_string()), @r"
    error[role-denied]: STS in us-west-2 at HOST refused to let the caller assume arn:aws:iam::111122223333:role/ci/deploy
       cause: the caller may not assume the role
       cause: AWS answered AccessDenied: User: arn:aws:sts::111122223333:assumed-role/other/i-1 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/ci/deploy (request req-1)
        help: let the caller assume the role: sts:AssumeRole in its policy, and the caller in the role's trust policy
    ");
}

#[test]
fn a_caller_that_is_in_the_role_already_decrypts_as_it_is() {
    let aws = Server::start(|request| match request.operation() {
        "AssumeRole" => sts_error("AccessDenied", DENIED),
        "GetCallerIdentity" => identity("arn:aws:sts::111122223333:assumed-role/deploy/i-1"),
        _ => well(request),
    });
    let keys = Arc::new(keys(&aws.url()));
    assert!(unwrap_64(&keys).into_iter().all(|answer| answer.is_ok()));
    assert_eq!((aws.count("AssumeRole"), aws.count("GetCallerIdentity"), aws.count("Decrypt")), (2, 1, 64));
    assert!(aws.requests().iter().all(|request| request.signer().starts_with("CALLER/")));
    let notes = keys.notes();
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].code, Code::AlreadyInRole);
    assert!(notes[0].what.contains(ROLE), "{notes:?}");
}

#[test]
fn a_caller_that_sts_does_not_name_is_denied() {
    let aws = Server::start(|request| match request.operation() {
        "AssumeRole" => sts_error("AccessDenied", "Not authorized"),
        _ => sts_error("AccessDenied", "Not this either"),
    });
    let problem = block_on(keys(&aws.url()).unwrap(&with_role(grant(WEST, "one")))).unwrap_err();
    assert_eq!(problem.code, Code::RoleDenied);
    assert_eq!(aws.count("GetCallerIdentity"), 1);
}

#[test]
fn each_profile_and_role_has_a_session_of_its_own() {
    let aws = Server::start(well);
    let keys = keys(&aws.url());
    block_on(async {
        keys.unwrap(&with_role(grant(WEST, "one"))).await.unwrap();
        keys.unwrap(&with_role(grant(WEST, "two"))).await.unwrap();
        let other = Grant { role: Some("arn:aws:iam::111122223333:role/b".into()), ..grant(WEST, "one") };
        keys.unwrap(&other).await.unwrap();
    });
    assert_eq!((aws.count("AssumeRole"), aws.count("Decrypt")), (2, 3));
}

#[test]
fn what_is_no_arn_or_no_base64_meets_no_network() {
    let keys = keys("http://unused.invalid");
    let mut junk = grant(WEST, "one");
    junk.wrapped = "hunter2!".into();
    let mut empty = grant(WEST, "");
    empty.wrapped = "\n".into();
    for grant in [junk, empty, grant("alias/team", "one")] {
        let problem = block_on(keys.unwrap(&grant)).unwrap_err();
        assert_eq!(problem.code, Code::BadMetadata);
        shown(problem, "");
    }
}
