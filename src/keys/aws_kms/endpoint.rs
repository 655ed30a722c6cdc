//! Where a client's requests really went, for messages that name it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_sdk_kms::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_kms::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kms::error::BoxError;
use http::Uri;

use super::transport::Proxies;

/// A service in a region, and the host that stood for it once a request was sent.
///
/// Displays as `KMS in us-west-2`, with the host where it is not AWS' own, as under `AWS_ENDPOINT_URL`.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    service: &'static str,
    region: String,
    proxies: Proxies,
    sent: Arc<OnceLock<Sent>>,
}

/// Hosts with their ports, where they are not the usual ones.
#[derive(Debug)]
struct Sent {
    host: String,
    proxy: Option<String>,
}

impl Endpoint {
    /// Nothing was sent yet. `service` is the name that people know: `KMS`, `STS`.
    pub(super) fn new(service: &'static str, region: &str, proxies: &Proxies) -> Self {
        Self { service, region: region.to_owned(), proxies: proxies.clone(), sent: Arc::default() }
    }

    /// The name of the service.
    pub(super) fn service(&self) -> &'static str {
        self.service
    }

    /// The host, for a sentence; the service where nothing was sent.
    pub(super) fn host(&self) -> &str {
        self.sent.get().map_or(self.service, |sent| &sent.host)
    }

    /// The proxy that requests go by, if any.
    pub(super) fn proxy(&self) -> Option<&str> {
        self.sent.get()?.proxy.as_deref()
    }

    fn record(&self, url: &str) {
        let Ok(url) = url.parse::<Uri>() else { return };
        let Some(host) = url.host() else { return };
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        // Every request of a client goes to the same place.
        let _ = self.sent.set(Sent { host, proxy: self.proxies.host_for(&url) });
    }

    /// Whether it is the host that AWS publishes for the service in the region, such as
    /// `kms.us-west-2.amazonaws.com` or `sts-fips.us-gov-west-1.amazonaws.com`.
    fn is_default(&self, host: &str) -> bool {
        let service = self.service.to_ascii_lowercase();
        let rest = host.strip_prefix(&service).map(|rest| rest.strip_prefix("-fips").unwrap_or(rest));
        rest.and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_prefix(&self.region))
            .is_some_and(|rest| rest.starts_with('.') && !rest.contains(':'))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.service, self.region)?;
        match self.sent.get() {
            Some(sent) if !self.is_default(&sent.host) => write!(f, " at {}", sent.host),
            _ => Ok(()),
        }
    }
}

impl Intercept for Endpoint {
    fn name(&self) -> &'static str {
        "Endpoint"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.record(context.request().uri());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        let proxies = Proxies::all("http://me:hunter2@proxy.corp:3128", "localhost");
        let endpoint = Endpoint::new("KMS", "us-west-2", &proxies);
        endpoint.record(url);
        endpoint
    }

    #[test]
    fn hosts_of_aws_are_not_worth_a_word() {
        for url in [
            "https://kms.us-west-2.amazonaws.com/",
            "https://kms-fips.us-west-2.amazonaws.com/",
            "https://kms.us-west-2.api.aws/",
        ] {
            assert_eq!(endpoint(url).to_string(), "KMS in us-west-2");
        }
    }

    #[test]
    fn other_hosts_are_named() {
        for (url, host) in [
            ("http://localhost:5000", "localhost:5000"),
            ("https://vpce-1.kms.us-west-2.vpce.amazonaws.com/", "vpce-1.kms.us-west-2.vpce.amazonaws.com"),
            ("https://kms.us-west-2.amazonaws.com:8443/", "kms.us-west-2.amazonaws.com:8443"),
            ("https://kms.eu-west-1.amazonaws.com/", "kms.eu-west-1.amazonaws.com"),
            ("https://user:hunter2@kms.example/", "kms.example"),
        ] {
            assert_eq!(endpoint(url).to_string(), format!("KMS in us-west-2 at {host}"));
            assert_eq!(endpoint(url).host(), host);
        }
    }

    #[test]
    fn the_proxy_is_known() {
        assert_eq!(endpoint("https://kms.us-west-2.amazonaws.com/").proxy(), Some("proxy.corp:3128"));
        assert_eq!(endpoint("http://localhost:5000/").proxy(), None);
    }
}
