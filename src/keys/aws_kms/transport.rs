//! How requests travel: which proxy, if any, which roots, and one pool of connections for a run.
//!
//! The SDK has no client of its own here (its default one brings a second TLS stack, and knows neither proxies nor
//! `AWS_CA_BUNDLE`). Ours picks one of three routes for each request, by its URL:
//!
//! - to this machine or a link-local address, never by a proxy. The credential services of EC2, ECS and EKS live
//!   there; a proxy would answer for its own machine. Go's HTTP client, and so sops, spares loopback the same way.
//! - by the proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name, by curl's rules;
//! - straight.
//!
//! Roots are loaded for the first request that needs TLS, and not for plain HTTP.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::dns::Resolver;
use super::roots::{Roots, RootsError};

/// What all clients of a run share.
pub(super) struct Transport {
    /// Their HTTP client.
    pub(super) http: SharedHttpClient,
    /// The proxies that it uses, for messages.
    pub(super) proxies: Proxies,
}

impl Transport {
    /// Connects to nothing and loads nothing yet. `ca_bundle`: the content of `AWS_CA_BUNDLE`.
    pub(super) fn new(proxies: Proxies, ca_bundle: Option<Vec<u8>>) -> Self {
        let http = Http {
            proxies: proxies.clone(),
            roots: Arc::new(Roots::new(ca_bundle)),
            resolver: Resolver::default(),
            connectors: Mutex::default(),
        };
        Self { http: SharedHttpClient::new(http), proxies }
    }
}

/// The proxies of the environment.
#[derive(Clone)]
pub(super) struct Proxies {
    matcher: Arc<Matcher>,
    config: ProxyConfig,
}

impl fmt::Debug for Proxies {
    /// Without the passwords that a proxy's URL may hold: the matcher leaves them out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxies").field(&self.matcher).finish()
    }
}

impl Proxies {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` (and their lower-case forms) say.
    pub(super) fn from_env() -> Self {
        Self { matcher: Arc::new(Matcher::from_env()), config: ProxyConfig::from_env() }
    }

    /// None at all.
    pub(super) fn none() -> Self {
        Self { matcher: Arc::new(Matcher::builder().build()), config: ProxyConfig::disabled() }
    }

    /// One proxy for all, but for the hosts of `no_proxy`.
    #[cfg(test)]
    pub(super) fn all(url: &str, no_proxy: &str) -> Self {
        let config = ProxyConfig::all(url.to_owned()).unwrap().no_proxy(no_proxy);
        Self { matcher: Arc::new(Matcher::builder().all(url).no(no_proxy).build()), config }
    }

    /// Host and port of the proxy that a request to this URL goes by. Never its credentials.
    pub(super) fn host_for(&self, url: &Uri) -> Option<String> {
        if url.host().is_some_and(is_local) {
            return None;
        }
        let intercept = self.matcher.intercept(url)?;
        intercept.uri().authority().map(ToString::to_string)
    }
}

/// Whether a host is this machine or on its link, where no proxy belongs: loopback, link-local, and the addresses of
/// the instance metadata and pod identity services.
fn is_local(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unicast_link_local() || is_aws_local(address)
        }
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// `fd00:ec2::/32`, where AWS puts the IPv6 addresses of its instance services (`fd00:ec2::254`, `fd00:ec2::23`).
fn is_aws_local(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0xfd00, 0x0ec2, ..])
}

/// The timeouts of connecting and of reading, by which the SDK asks for connectors.
type Timeouts = (Option<Duration>, Option<Duration>);

/// The HTTP client of a run, for every service and identity.
#[derive(Debug)]
struct Http {
    proxies: Proxies,
    roots: Arc<Roots>,
    resolver: Resolver,
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors
            .entry((settings.connect_timeout(), settings.read_timeout()))
            .or_insert_with(|| SharedHttpConnector::new(Router::new(self, settings, components)));
        connector.clone()
    }
}

/// The connectors of one pair of timeouts, each made when the first request takes its route.
struct Router {
    proxies: Proxies,
    roots: Arc<Roots>,
    make: Box<dyn Fn(Option<ProxyConfig>, TlsContext) -> Connector + Send + Sync>,
    plain: OnceLock<Result<Connector, RootsError>>,
    tls: OnceLock<Result<Connector, RootsError>>,
    proxied: OnceLock<Result<Connector, RootsError>>,
}

impl Router {
    fn new(http: &Http, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> Self {
        let (settings, sleep) = (settings.clone(), components.sleep_impl());
        let resolver = http.resolver.clone();
        let make = move |proxy, context| {
            let mut builder = Connector::builder().connector_settings(settings.clone());
            builder.set_sleep_impl(sleep.clone()).set_proxy_config(proxy);
            let builder = builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context);
            builder.build_with_resolver(resolver.clone())
        };
        Self {
            proxies: http.proxies.clone(),
            roots: Arc::clone(&http.roots),
            make: Box::new(make),
            plain: OnceLock::new(),
            tls: OnceLock::new(),
            proxied: OnceLock::new(),
        }
    }

    fn route(&self, url: &Uri) -> Result<&Connector, &RootsError> {
        let connector = if self.proxies.host_for(url).is_some() {
            self.proxied.get_or_init(|| {
                self.roots.context().map(|roots| (self.make)(Some(self.proxies.config.clone()), roots))
            })
        } else if url.scheme() == Some(&http::uri::Scheme::HTTP) {
            self.plain.get_or_init(|| Roots::none().map(|none| (self.make)(None, none)))
        } else {
            self.tls.get_or_init(|| self.roots.context().map(|roots| (self.make)(None, roots)))
        };
        connector.as_ref()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

impl HttpConnector for Router {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = match request.uri().parse::<Uri>() {
            Ok(url) => self.route(&url).map_err(|error| ConnectorError::user(error.clone().into())),
            Err(error) => Err(ConnectorError::user(error.into())),
        };
        match connector {
            Ok(connector) => connector.call(request),
            Err(error) => HttpConnectorFuture::ready(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_services_and_loopback_are_local() {
        for host in [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "[fd00:ec2::254]",
            "[fd00:ec2::23]",
            "[fe80::1]",
            "127.0.0.1",
            "[::1]",
            "localhost",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in ["kms.us-west-2.amazonaws.com", "10.0.0.1", "[fd00::1]", "169.254.169.254.example", ""] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let proxies = Proxies::all("http://me:hunter2@proxy.corp:3128", "sts.us-west-2.amazonaws.com");
        let proxy = |url: &'static str| proxies.host_for(&Uri::from_static(url));
        assert_eq!(proxy("https://kms.us-west-2.amazonaws.com/"), Some("proxy.corp:3128".into()));
        assert_eq!(proxy("https://sts.us-west-2.amazonaws.com/"), None);
        assert_eq!(proxy("http://169.254.169.254/latest/api/token"), None);
        assert!(!format!("{proxies:?}").contains("hunter2"));
    }
}
