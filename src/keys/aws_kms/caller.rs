//! Who we are before any role is assumed: the SDK's chain of credentials, or the profile that a grant names.
//!
//! Credentials are resolved once a run for each profile, and then fixed: a run is over long before they expire. The
//! chain is the environment, the profile (keys, `credential_process`, SSO, roles), a web identity (EKS' IRSA), the
//! container services (ECS, EKS Pod Identity), and EC2's instance metadata. A profile that is named goes before the
//! environment, as in sops, and nothing comes after it.
//!
//! Where a provider of the chain needs a region of its own, as a web identity does, it is that of `AWS_REGION` or the
//! profile, and the key's where there is none. Calls to KMS and STS go to the key's region.

use std::error::Error;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{
    Credentials, ProvideCredentials as _, SharedCredentialsProvider, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use tokio::sync::OnceCell;

use super::endpoint::Endpoint;
use super::failure::{Failure, humane};
use super::problems;
use super::transport::Proxies;
use crate::diagnostics::{Code, Problem};

/// How often a call is tried at least; `AWS_MAX_ATTEMPTS` may ask for more.
const ATTEMPTS: u32 = 5;

/// The longest first pause between attempts, which doubles each time and is cut short at random. KMS counts calls by
/// the second, so five attempts outlast a burst; and where there is no network at all, nobody wants to wait the 15
/// seconds that the SDK's default of one second comes to.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Credentials to start from, and the settings that go with them: endpoints, retries, timeouts.
#[derive(Clone)]
pub(super) struct Caller {
    config: SdkConfig,
    identity: Arc<OnceCell<Option<String>>>,
}

impl Caller {
    /// Reads the environment and the profile, and resolves the credentials.
    ///
    /// `region` is for providers that have none of their own; `timeout` bounds the whole.
    pub(super) async fn load(
        profile: Option<&str>,
        region: &str,
        http: SharedHttpClient,
        timeout: Duration,
    ) -> Result<Self, Problem> {
        let config = read(profile, region, http, timeout).await;
        let resolve = async {
            match config.credentials_provider() {
                Some(provider) => provider.provide_credentials().await,
                None => Err(CredentialsError::not_loaded_no_source()),
            }
        };
        match tokio::time::timeout(timeout, resolve).await {
            Ok(Ok(credentials)) => Ok(Self::new(&config, credentials, timeout)),
            Ok(Err(error)) => Err(no_credentials(&error, profile, &config, timeout)),
            Err(_) => Err(late(timeout)),
        }
    }

    /// A caller with these credentials and what else the config says.
    pub(super) fn new(config: &SdkConfig, credentials: Credentials, timeout: Duration) -> Self {
        let retry = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        let (attempts, pause) =
            (retry.max_attempts().max(ATTEMPTS), retry.initial_backoff().min(FIRST_PAUSE));
        let mut builder = config
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(retry.with_max_attempts(attempts).with_initial_backoff(pause))
            .timeout_config(timeouts(timeout))
            // The timeouts say it more clearly.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        // A name for CloudTrail's `userAgent`, unless AWS_SDK_UA_APP_ID gave another.
        if config.app_name().is_none() {
            builder.set_app_name(AppName::new("krm-sops").ok());
        }
        Self { config: builder.build(), identity: Arc::default() }
    }

    /// The settings for clients that call as this caller.
    pub(super) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The caller's own ARN, asked for once a run. `None`: STS did not say.
    pub(super) async fn identity(&self, sts: &aws_sdk_sts::Client) -> Option<&str> {
        let ask = || async { sts.get_caller_identity().send().await.ok()?.arn };
        self.identity.get_or_init(ask).await.as_deref()
    }
}

/// What environment and profile say.
async fn read(profile: Option<&str>, region: &str, http: SharedHttpClient, timeout: Duration) -> SdkConfig {
    let mut regions = ProfileFileRegionProvider::builder();
    if let Some(name) = profile {
        regions = regions.profile_name(name);
    }
    let regions = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(regions.build())
        .or_else(Region::new(region.to_owned()));
    let region = regions.region().await;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .http_client(http.clone())
        .timeout_config(timeouts(timeout));
    if let Some(name) = profile {
        let settings = ProviderConfig::without_region()
            .with_region(region)
            .with_http_client(http)
            .with_timeout_config(timeouts(timeout));
        let provider = ProfileFileCredentialsProvider::builder().profile_name(name).configure(&settings);
        loader = loader.profile_name(name).credentials_provider(provider.build());
    }
    loader.load().await
}

/// The bounds of a call that may take `timeout` with all its retries: an attempt may take a third of it, so that one
/// connection that hangs is not the end.
fn timeouts(timeout: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_timeout(timeout)
        .operation_attempt_timeout(timeout / 3)
        .connect_timeout(CONNECT_TIMEOUT.min(timeout / 3))
        .build()
}

fn late(timeout: Duration) -> Problem {
    Problem::new(Code::KmsUnreachable, "the AWS credentials did not come in time")
        .because(format!("no provider had them within {}", humane(timeout)))
        .help("check the profile's credential_process, SSO, or the reach of the instance metadata service")
}

/// Why there are no credentials.
fn no_credentials(
    error: &CredentialsError,
    profile: Option<&str>,
    config: &SdkConfig,
    timeout: Duration,
) -> Problem {
    let of_profile = profile.map(|name| format!(" in the profile {name}")).unwrap_or_default();
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        let problem = Problem::new(Code::KmsDenied, format!("no AWS credentials were found{of_profile}"));
        return tried(error).fold(problem, Problem::because).help(
            "give them by environment (AWS_ACCESS_KEY_ID, …), profile (AWS_PROFILE, ~/.aws), web identity, \
             EKS Pod Identity, ECS, or EC2 instance role; a container function sees only the variables that \
             its `envs` lists",
        );
    }
    if let Some(failure) = of_sts(error, config, timeout) {
        return failure;
    }
    let problem = Problem::new(Code::KmsDenied, format!("the AWS credentials{of_profile} cannot be loaded"));
    causes(error)
        .map(|error| presentable(&error.to_string()))
        .fold(problem, Problem::because)
        .help(
            "check where they come from: the profile (AWS_PROFILE, ~/.aws; `aws sso login`; its \
             credential_process), the file that AWS_WEB_IDENTITY_TOKEN_FILE or \
             AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names, or the metadata service of the container or instance; or \
             set AWS_ACCESS_KEY_ID and its companions",
        )
}

fn causes(error: &CredentialsError) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(error.source(), |&error| error.source())
}

/// What the chain says about each provider that had nothing, without its heading and its common prefix.
fn tried(error: &CredentialsError) -> impl Iterator<Item = String> {
    const NOTHING: &str = "the credential provider was not enabled";
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<_> = said
        .lines()
        .filter(|line| !line.ends_with("Attempted:"))
        .map(|line| line.trim().replace(&format!("{NOTHING}: "), "").replace(NOTHING, "not set up"))
        .collect();
    lines.into_iter()
}

/// The problem of a provider that had to ask STS.
fn of_sts(error: &CredentialsError, config: &SdkConfig, timeout: Duration) -> Option<Problem> {
    let region = config.region().map_or("an unknown region", |region| region.as_ref());
    // It was no client of ours that asked: the host and the proxy are not known.
    let endpoint = Endpoint::new("STS", region, &Proxies::none());
    // A web identity's error is that of STS; a profile's stands behind one of its own.
    let failure = causes(error).find_map(|error| {
        if let Some(error) = error.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>() {
            return Some(Failure::of(error, &endpoint, timeout));
        }
        let error = error.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>()?;
        Some(Failure::of(error, &endpoint, timeout))
    });
    Some(problems::source_role(failure?, &endpoint))
}

/// An error text of a credentials provider, without the output of a `credential_process`, which may hold anything, and
/// without what follows a first line, be the line's end one or the escape of one.
fn presentable(text: &str) -> String {
    let text = text.split(". Stderr:").next().unwrap_or_default();
    let text = text.split("\\n").next().unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_tried_five_times_or_as_often_as_the_environment_asks() {
        for (asked, attempts) in [(3, 5), (9, 9)] {
            let retry = RetryConfig::standard().with_max_attempts(asked);
            let config = SdkConfig::builder().retry_config(retry).build();
            let credentials = Credentials::new("id", "secret", None, None, "test");
            let caller = Caller::new(&config, credentials, Duration::from_secs(30));
            assert_eq!(caller.config().retry_config().map(RetryConfig::max_attempts), Some(attempts));
        }
    }

    #[test]
    fn what_a_credential_process_printed_is_left_out() {
        let text = "external process exited with code exit status: 3. Stderr: hunter2\nhunter2";
        assert_eq!(presentable(text), "external process exited with code exit status: 3");
        assert_eq!(presentable("one line\nhunter2"), "one line");
        let shown = presentable(&format!("{:?}", "a message\nhunter2"));
        assert_eq!(shown, "\"a message");
    }
}
