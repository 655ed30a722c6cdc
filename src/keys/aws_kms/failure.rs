//! What a failed call comes down to: a refusal, or no answer that settles anything.
//!
//! Nothing here quotes a response's body, a header, or an error of a parser. AWS' own messages are quoted for the
//! codes where they are known to hold no more than ARNs and words: others, such as `SignatureDoesNotMatch`, repeat the
//! signed headers, and with them the session token.

use std::error::Error;
use std::fmt;
use std::io;
use std::iter;
use std::time::Duration;

use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId as _;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;

use super::endpoint::Endpoint;
use super::roots::RootsError;

/// The codes of errors that tell the caller to slow down (those of the SDK's list that KMS and STS have).
const THROTTLING: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
];

/// The codes of errors that are the service's own trouble, whatever their HTTP status: KMS answers some with 400.
const TROUBLE: &[&str] = &[
    "DependencyTimeoutException",
    "InternalFailure",
    "KMSInternalException",
    "KeyUnavailableException",
    "ServiceUnavailable",
];

/// The codes of errors whose messages are quoted.
const QUOTED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "DisabledException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncorrectKeyException",
    "InvalidClientTokenId",
    "InvalidKeyUsageException",
    "KMSInvalidStateException",
    "NotFoundException",
    "RegionDisabledException",
    "UnrecognizedClientException",
];

/// The longest message that is quoted, in characters.
const LONGEST_MESSAGE: usize = 600;

/// An error that AWS answered with. Displays as `AWS answered CODE: MESSAGE (request ID)`.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// AWS' code, such as `AccessDeniedException`.
    pub(super) code: String,
    message: Option<String>,
    request: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AWS answered {}", self.code)?;
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        match &self.request {
            Some(request) => write!(f, " (request {request})"),
            None => Ok(()),
        }
    }
}

/// Why a call failed, its retries included.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service refused, and would refuse again.
    Refused(Answer),
    /// The service was asked too much, and kept saying so.
    Throttled(Answer),
    /// The service had trouble of its own.
    Trouble(Answer),
    /// There was no answer, or none that AWS would give.
    Unreachable {
        /// Why, in words that name the host.
        cause: String,
        /// What to do, where there is better advice than `kms-unreachable` has.
        help: Option<&'static str>,
    },
}

impl Failure {
    /// Sorts an error of the SDK. `timeout` is what the whole call was given.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, endpoint: &Endpoint, timeout: Duration) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let host = endpoint.host();
        match error {
            SdkError::ServiceError(context) => match context.err().code() {
                Some(code) => Self::answered(code, error, context.raw().status().as_u16()),
                None => strange(host, context.raw().status().as_u16()),
            },
            SdkError::ResponseError(context) => strange(host, context.raw().status().as_u16()),
            SdkError::TimeoutError(_) => {
                plain(format!("{} gave no answer within {}", via(endpoint), humane(timeout)))
            }
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => dispatch(error, endpoint),
                None => plain(format!("the request to {host} could not be sent")),
            },
            // The credentials are fixed and the input is checked: what is left is an endpoint that is no URL.
            _ => plain(format!("no request could be made for {}: {}", endpoint.service(), innermost(error))),
        }
    }

    fn answered<E>(code: &str, error: &SdkError<E, HttpResponse>, status: u16) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let message = error.message().filter(|message| QUOTED.contains(&code) && !message.is_empty());
        let answer = Answer {
            code: code.to_owned(),
            message: message.map(|message| message.chars().take(LONGEST_MESSAGE).collect()),
            request: error.request_id().map(str::to_owned),
        };
        if THROTTLING.contains(&code) {
            Self::Throttled(answer)
        } else if status >= 500 || TROUBLE.contains(&code) {
            Self::Trouble(answer)
        } else {
            Self::Refused(answer)
        }
    }
}

fn plain(cause: String) -> Failure {
    Failure::Unreachable { cause, help: None }
}

/// An HTTP answer that AWS would not give: of a gateway, a proxy's block page, or another server.
fn strange(host: &str, status: u16) -> Failure {
    Failure::Unreachable {
        cause: format!("{host} answered with HTTP status {status} and nothing that AWS would say"),
        help: Some(
            "something between here and AWS answers in its place: check proxies, firewalls and AWS_ENDPOINT_URL",
        ),
    }
}

/// Why a request did not arrive.
fn dispatch(error: &ConnectorError, endpoint: &Endpoint) -> Failure {
    let via = via(endpoint);
    if error.is_timeout() {
        return plain(format!("{via} did not accept a connection in time"));
    }
    for error in chain(error) {
        if let Some(error) = error.downcast_ref::<RootsError>() {
            return Failure::Unreachable {
                cause: error.to_string(),
                help: Some("let AWS_CA_BUNDLE name a readable file of certificates in PEM, or unset it"),
            };
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return tls(error, endpoint.host());
        }
        if error.is::<ResolveDnsError>() {
            return plain(format!("the name of {via} cannot be resolved: {}", innermost(error)));
        }
        // The error of a tunnel by a proxy is a private type.
        if error.to_string().starts_with("tunnel error: proxy authorization required") {
            return Failure::Unreachable {
                cause: format!("{via} wants a user and a password"),
                help: Some("put them into HTTPS_PROXY, as in http://USER:PASSWORD@HOST:PORT"),
            };
        }
    }
    plain(format!("{via} cannot be reached: {}", innermost(error)))
}

fn tls(error: &rustls::Error, host: &str) -> Failure {
    match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => Failure::Unreachable {
            cause: format!("the certificate of {host} is of an authority that is not trusted here"),
            help: Some(
                "where a proxy opens TLS, let AWS_CA_BUNDLE name a file with its authority's certificate in \
                 PEM; a container needs that file and variable, too",
            ),
        },
        rustls::Error::InvalidCertificate(problem) => {
            plain(format!("the certificate of {host} is refused: {problem}"))
        }
        other => plain(format!("TLS with {host} failed: {other}")),
    }
}

/// The host, and the proxy on the way, which may be the one that fails.
fn via(endpoint: &Endpoint) -> String {
    match endpoint.proxy() {
        Some(proxy) => format!("the proxy {proxy}, on the way to {},", endpoint.host()),
        None => endpoint.host().to_owned(),
    }
}

/// An error and its causes. The payload of an I/O error counts, which `source` leaves out.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|payload| payload as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// What the last of the causes says, which for connections is the operating system's word.
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// A duration as the config writes it: `30s`, `250ms`.
pub(super) fn humane(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (seconds, 0) => format!("{seconds}s"),
        (_, _) => format!("{}ms", duration.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_the_config() {
        assert_eq!(humane(Duration::from_secs(30)), "30s");
        assert_eq!(humane(Duration::from_millis(1500)), "1500ms");
    }

    #[test]
    fn the_payload_of_an_io_error_is_looked_at() {
        let inner = io::Error::new(io::ErrorKind::InvalidData, RootsError::clone(&no_roots()));
        let outer = io::Error::other(inner);
        assert!(chain(&outer).any(<dyn Error>::is::<RootsError>));
    }

    fn no_roots() -> RootsError {
        super::super::roots::Roots::new(Some(Vec::new())).context().unwrap_err()
    }
}
