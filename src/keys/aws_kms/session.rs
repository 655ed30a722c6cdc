//! A client for KMS in one region as one identity: the caller's own, or a role that it assumes.

use std::time::Duration;

use aws_sdk_kms::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_kms::config::{Credentials, Region, SharedCredentialsProvider};

use super::arn::is_session_of;
use super::caller::Caller;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::transport::Proxies;
use super::{patience, problems};
use crate::diagnostics::Problem;

/// The longest name of a session, and the characters that one may hold, by STS' API reference.
const LONGEST_NAME: usize = 64;

/// What tells sessions apart: calls that agree in all three share one client and one `AssumeRole`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    /// The role to assume.
    pub(super) role: Option<String>,
    /// The region of the key, which is also where STS is asked.
    pub(super) region: String,
    /// The profile to start from.
    pub(super) profile: Option<String>,
}

/// A client that is ready to decrypt.
#[derive(Clone)]
pub(super) struct Session {
    /// The client.
    pub(super) kms: aws_sdk_kms::Client,
    /// Where it sends its requests.
    pub(super) endpoint: Endpoint,
    /// What is worth saying about how it came to be.
    pub(super) note: Option<Problem>,
}

/// What opening a session needs to know besides the identity.
pub(super) struct Opening<'a> {
    /// The name that the session of a role gets, see [`name`].
    pub(super) name: &'a str,
    /// The bound of one call.
    pub(super) timeout: Duration,
    /// For messages.
    pub(super) proxies: &'a Proxies,
}

impl Session {
    /// Assumes the role, if there is one.
    pub(super) async fn open(
        caller: &Caller,
        identity: &Identity,
        opening: &Opening<'_>,
    ) -> Result<Self, Problem> {
        let (credentials, note) = match &identity.role {
            None => (None, None),
            Some(role) => assume(caller, role, &identity.region, opening).await?,
        };
        let endpoint = Endpoint::new("KMS", &identity.region, opening.proxies);
        let mut config = aws_sdk_kms::config::Builder::from(caller.config())
            .region(Region::new(identity.region.clone()))
            .retry_partition(patient("kms"))
            .interceptor(endpoint.clone());
        if let Some(credentials) = credentials {
            config = config.credentials_provider(SharedCredentialsProvider::new(credentials));
        }
        Ok(Self { kms: aws_sdk_kms::Client::from_conf(config.build()), endpoint, note })
    }
}

/// The role's credentials; none, but a note, where the caller is in the role already.
async fn assume(
    caller: &Caller,
    role: &str,
    region: &str,
    opening: &Opening<'_>,
) -> Result<(Option<Credentials>, Option<Problem>), Problem> {
    let endpoint = Endpoint::new("STS", region, opening.proxies);
    let config = aws_sdk_sts::config::Builder::from(caller.config())
        .region(Region::new(region.to_owned()))
        .retry_partition(patient("sts"))
        .interceptor(endpoint.clone());
    let sts = aws_sdk_sts::Client::from_conf(config.build());
    let request = sts.assume_role().role_arn(role).role_session_name(opening.name);
    let (asked, timeout) = (&endpoint, opening.timeout);
    let answer = patience::outlast(timeout, || {
        let call = request.clone().send();
        async move { call.await.map_err(|error| Failure::of(&error, asked, timeout)) }
    });
    let failure = match answer.await {
        Ok(output) => {
            let issued = output.credentials.map(|issued| {
                let (id, secret) = (issued.access_key_id, issued.secret_access_key);
                Credentials::new(id, secret, Some(issued.session_token), None, "AssumeRole")
            });
            let missing = || problems::no_role_credentials(role, &endpoint);
            return Ok((Some(issued.ok_or_else(missing)?), None));
        }
        Err(failure) => failure,
    };
    let denied = matches!(&failure, Failure::Refused(answer) if answer.code == "AccessDenied");
    let who = if denied { caller.identity(&sts).await } else { None };
    match who {
        Some(arn) if is_session_of(arn, role) => Ok((None, Some(problems::already_in_role(role, arn)))),
        _ => Err(problems::assume_role(failure, role, &endpoint, who)),
    }
}

/// Retries without the SDK's quota, which is meant for services under load that never ends: here the number of calls
/// is bounded, and so is that of each one's attempts. The quota would be spent by one burst of throttling.
fn patient(name: &'static str) -> RetryPartition {
    RetryPartition::custom(name).token_bucket(TokenBucket::unlimited()).build()
}

/// The name of a session that an auditor reads in `CloudTrail`: `krm-sops@HOST`, in the characters that STS allows.
pub(super) fn name(host: &str) -> String {
    if host.is_empty() {
        return "krm-sops".to_owned();
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let host = host.chars().map(|c| if allowed(c) { c } else { '-' });
    "krm-sops@".chars().chain(host).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_after_the_machine_or_pod() {
        assert_eq!(name("repo-server-6c9f7d7b5c-x2x7z"), "krm-sops@repo-server-6c9f7d7b5c-x2x7z");
        assert_eq!(name("ip-10-0-0-1.us-west-2.internal"), "krm-sops@ip-10-0-0-1.us-west-2.internal");
        assert_eq!(name(""), "krm-sops");
    }

    #[test]
    fn a_session_name_is_one_that_sts_takes() {
        assert_eq!(name("anna's läptop:1/2"), "krm-sops@anna-s-l-ptop-1-2");
        let long = name(&"x".repeat(300));
        assert_eq!(long.len(), LONGEST_NAME);
        assert!(long.starts_with("krm-sops@xxx"));
    }
}
