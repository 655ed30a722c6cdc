//! What is said to people about calls that failed.
//!
//! - `role-denied`: STS refused `AssumeRole`, whatever its reason.
//! - `kms-denied`: KMS refused to decrypt, or there are no credentials to ask it with.
//! - `kms-unreachable`: no answer that settles anything. No network, DNS, TLS, a proxy, a timeout, trouble of the
//!   service's own; and throttling that outlasts the retries, for nobody refused, and fewer calls at once help.

use super::endpoint::Endpoint;
use super::failure::{Answer, Failure};
use crate::diagnostics::{Code, Problem};
use crate::master_key::Grant;

/// What one of AWS' codes means, and what to do about it where the diagnostic's own advice is not to the point.
struct Meaning {
    /// Nothing where the code is not known: it has to speak for itself.
    means: Option<&'static str>,
    help: Option<&'static str>,
}

const CREDENTIALS_HELP: &str = "renew the credentials (`aws sso login`, a new session token), and check \
     AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN: they belong together";

/// Refusals that any service may answer with.
fn common(code: &str) -> Meaning {
    let (means, help) = match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            ("the credentials have expired", Some(CREDENTIALS_HELP))
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" => {
            ("AWS does not know the credentials", Some(CREDENTIALS_HELP))
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature" => (
            "AWS does not accept the signature: the secret key is wrong, or this machine's clock is",
            Some("check AWS_SECRET_ACCESS_KEY and the clock"),
        ),
        "OptInRequired" | "SubscriptionRequiredException" => (
            "the account has not opted in to this region",
            Some("check the region, or enable it for the account"),
        ),
        "ValidationError" | "ValidationException" => (
            "AWS finds a part of the request invalid",
            Some("check the ARNs of key and role in the creation rule"),
        ),
        _ => return Meaning { means: None, help: None },
    };
    Meaning { means: Some(means), help }
}

/// Refusals of KMS' Decrypt (source: its API reference).
fn of_decrypt(code: &str) -> Meaning {
    let (means, help) = match code {
        "AccessDeniedException" => ("the caller may not decrypt with this key", None),
        "NotFoundException" => (
            "there is no such key in this account and region",
            Some("check the ARN in the creation rule; what only a deleted key could open is lost"),
        ),
        "DisabledException" => ("the key is disabled", Some("enable the key")),
        "KMSInvalidStateException" => (
            "the key is in a state in which it cannot decrypt, such as pending deletion or import",
            Some("bring the key back into use, such as by cancelling its deletion"),
        ),
        "InvalidCiphertextException" => (
            "the wrapped data key is damaged, or it was wrapped with another encryption context",
            Some("restore the file's `sops` block from version control, its `context` included"),
        ),
        "IncorrectKeyException" => (
            "the data key was wrapped with another key than this",
            Some("restore the file's `sops` block from version control, or run `sops updatekeys FILE`"),
        ),
        "InvalidKeyUsageException" => (
            "this is not a key for encryption",
            Some("name a key whose usage is ENCRYPT_DECRYPT in the creation rule"),
        ),
        other => return common(other),
    };
    Meaning { means: Some(means), help }
}

/// Refusals of STS' `AssumeRole` (source: its API reference).
fn of_assume_role(code: &str) -> Meaning {
    let (means, help) = match code {
        "AccessDenied" | "AccessDeniedException" => ("the caller may not assume the role", None),
        "RegionDisabledException" => (
            "STS is not active in this region for the caller's account",
            Some("activate STS for the region in the account settings of IAM"),
        ),
        other => return common(other),
    };
    Meaning { means: Some(means), help }
}

/// Refusals of `AssumeRole` and `AssumeRoleWithWebIdentity` in the chain of credentials.
fn of_source_role(code: &str) -> Meaning {
    let means = match code {
        "AccessDenied" | "AccessDeniedException" => "the role does not trust this identity",
        "ExpiredTokenException" | "IDPRejectedClaim" | "InvalidIdentityToken" => {
            "the identity token is not accepted"
        }
        other => return common(other),
    };
    let help =
        "check the role (AWS_ROLE_ARN, or the profile's role_arn), its trust policy, and the identity token";
    Meaning { means: Some(means), help: Some(help) }
}

/// The data key was not unwrapped.
pub(super) fn decrypt(failure: Failure, grant: &Grant, endpoint: &Endpoint) -> Problem {
    let key = match &grant.role {
        Some(role) => format!("{} as {role}", grant.key),
        None => grant.key.to_string(),
    };
    match failure {
        Failure::Refused(answer) => {
            let what = format!("{endpoint} refused to unwrap the data key with {key}");
            refused(Problem::new(Code::KmsDenied, what), &of_decrypt(&answer.code), &answer)
        }
        other => unsettled(not_unwrapped(&key, endpoint), other),
    }
}

/// The role was not assumed. `caller`: its ARN, where it was asked for.
pub(super) fn assume_role(
    failure: Failure,
    role: &str,
    endpoint: &Endpoint,
    caller: Option<&str>,
) -> Problem {
    match failure {
        Failure::Refused(answer) => {
            let what = format!("{endpoint} refused to let the caller assume {role}");
            let problem =
                refused(Problem::new(Code::RoleDenied, what), &of_assume_role(&answer.code), &answer);
            match caller.filter(|caller| !problem.causes.iter().any(|cause| cause.contains(caller))) {
                Some(caller) => problem.because(format!("the caller is {caller}")),
                None => problem,
            }
        }
        other => unsettled(not_assumed(role, endpoint), other),
    }
}

/// STS did not give the credentials to start from, as for a web identity or a profile with a role.
pub(super) fn source_role(failure: Failure, endpoint: &Endpoint) -> Problem {
    match failure {
        Failure::Refused(answer) => {
            let what = format!("{endpoint} refused the credentials to start from");
            refused(Problem::new(Code::KmsDenied, what), &of_source_role(&answer.code), &answer)
        }
        other => {
            unsettled(format!("the credentials to start from could not be had by way of {endpoint}"), other)
        }
    }
}

/// The role was not assumed, for the caller is in it already.
pub(super) fn already_in_role(role: &str, caller: &str) -> Problem {
    Problem::new(Code::AlreadyInRole, format!("the role {role} was not assumed: the caller is in it already"))
        .because(format!("the caller is {caller}, and may not assume the role"))
}

/// KMS answered with success but without a data key.
pub(super) fn no_data_key(grant: &Grant, endpoint: &Endpoint) -> Problem {
    incomplete(not_unwrapped(&grant.key.to_string(), endpoint), endpoint, "the data key")
}

/// STS answered with success but without credentials.
pub(super) fn no_role_credentials(role: &str, endpoint: &Endpoint) -> Problem {
    incomplete(not_assumed(role, endpoint), endpoint, "credentials")
}

fn not_unwrapped(key: &str, endpoint: &Endpoint) -> String {
    format!("the data key could not be unwrapped with {key} by way of {endpoint}")
}

fn not_assumed(role: &str, endpoint: &Endpoint) -> String {
    format!("{role} could not be assumed by way of {endpoint}")
}

/// An answer of success that lacks what it should hold.
fn incomplete(what: String, endpoint: &Endpoint, missing: &str) -> Problem {
    Problem::new(Code::KmsUnreachable, what)
        .because(format!("{} answered without {missing}", endpoint.host()))
        .help("something answers in the place of AWS: check AWS_ENDPOINT_URL")
}

fn refused(mut problem: Problem, meaning: &Meaning, answer: &Answer) -> Problem {
    problem.causes.extend(meaning.means.map(str::to_owned));
    problem.help = meaning.help.map(str::to_owned);
    problem.because(answer)
}

fn unsettled(what: String, failure: Failure) -> Problem {
    let problem = Problem::new(Code::KmsUnreachable, what);
    match failure {
        Failure::Throttled(answer) => problem
            .because("too many calls at once, and waiting between the retries did not help")
            .because(answer)
            .help("lower spec.aws.maxConcurrency, or ask AWS for a higher quota"),
        Failure::Refused(answer) | Failure::Trouble(answer) => problem
            .because("the service has trouble of its own, and retrying did not help")
            .because(answer)
            .help("try again; see AWS' health dashboard"),
        Failure::Unreachable { cause, help } => {
            Problem { help: help.map(str::to_owned), ..problem.because(cause) }
        }
    }
}
