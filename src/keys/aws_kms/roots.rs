//! The certificate authorities that vouch for AWS.
//!
//! `AWS_CA_BUNDLE` replaces the system's, as in other AWS tools (botocore, the SDK for Go). Otherwise they are the
//! system's (`SSL_CERT_FILE` and `SSL_CERT_DIR`, else the usual places), and where the system has none, as in an image
//! built `FROM scratch`, Mozilla's, compiled in. Roots that are there but cannot be read are an error: whoever chose
//! them does not want others. Loading takes some 3 ms, so it waits for the first call that needs TLS.

use std::fmt;
use std::sync::OnceLock;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_native_certs::CertificateResult;

/// Why there are no roots. Holds no secret: paths, counts and the words of the operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RootsError(String);

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RootsError {}

/// The roots of a run, loaded on first demand.
#[derive(Debug)]
pub(super) struct Roots {
    bundle: Option<Vec<u8>>,
    context: OnceLock<Result<TlsContext, RootsError>>,
}

impl Roots {
    /// Loads nothing yet. `bundle`: the content of `AWS_CA_BUNDLE`, PEM.
    pub(super) fn new(bundle: Option<Vec<u8>>) -> Self {
        Self { bundle, context: OnceLock::new() }
    }

    /// What TLS needs.
    pub(super) fn context(&self) -> Result<TlsContext, RootsError> {
        let load = || {
            let certificates = match &self.bundle {
                Some(pem) => of_bundle(pem),
                None => of_system(rustls_native_certs::load_native_certs()),
            }?;
            context(certificates.iter().fold(TrustStore::empty(), |store, certificate| {
                store.with_pem_certificate(pem_of(certificate))
            }))
        };
        self.context.get_or_init(load).clone()
    }

    /// What a connector needs that never speaks TLS: a context without any root.
    pub(super) fn none() -> Result<TlsContext, RootsError> {
        context(TrustStore::empty())
    }
}

fn context(store: TrustStore) -> Result<TlsContext, RootsError> {
    TlsContext::builder().with_trust_store(store).build().map_err(|error| RootsError(error.to_string()))
}

fn of_bundle(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    // PEM errors quote nothing but section names, and yet: what is no certificate is left out without a word of it.
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    match usable(found) {
        usable if usable.is_empty() => {
            Err(RootsError("the file that AWS_CA_BUNDLE names holds no usable certificate in PEM".to_owned()))
        }
        usable => Ok(usable),
    }
}

fn of_system(found: CertificateResult) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    if found.certs.is_empty() && found.errors.is_empty() {
        return Ok(webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec());
    }
    let count = found.certs.len();
    match (usable(found.certs), found.errors.first()) {
        (usable, _) if !usable.is_empty() => Ok(usable),
        (_, Some(error)) => Err(RootsError(format!("the system's CA certificates cannot be read: {error}"))),
        (_, None) => Err(RootsError(format!("none of the system's {count} CA certificates is usable"))),
    }
}

/// Those that the HTTP client takes: it panics at others, and old systems carry some.
fn usable(mut certificates: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    let mut scratch = RootCertStore::empty();
    certificates.retain(|certificate| scratch.add(certificate.clone()).is_ok());
    certificates
}

/// PEM, the only form in which the HTTP client takes roots.
fn pem_of(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let mut pem = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    base64_simd::STANDARD.encode_append(certificate.as_ref(), &mut pem);
    pem.extend_from_slice(b"\n-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CA: &[u8] = include_bytes!("tests/ca.pem");

    #[test]
    fn a_bundle_may_hold_more_than_certificates() {
        let mut bundle =
            b"some words\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
        bundle.extend_from_slice(CA);
        assert_eq!(of_bundle(&bundle).unwrap().len(), 1);
    }

    #[test]
    fn a_bundle_without_a_certificate_is_an_error_that_echoes_nothing() {
        for bundle in ["", "hunter2", "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n"] {
            let error = Roots::new(Some(bundle.into())).context().unwrap_err().to_string();
            assert!(error.contains("AWS_CA_BUNDLE") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn mozillas_roots_serve_where_the_system_has_none() {
        let roots = of_system(CertificateResult::default()).unwrap();
        assert!(roots.len() > 100, "{}", roots.len());
        assert_eq!(usable(roots.clone()).len(), roots.len());
    }

    #[test]
    fn roots_that_cannot_be_read_are_not_replaced() {
        let missing = Path::new("/nonexistent/roots.pem");
        let found = rustls_native_certs::load_certs_from_paths(Some(missing), None);
        let error = of_system(found).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/roots.pem"), "{error}");

        let mut junk = CertificateResult::default();
        junk.certs.push(CertificateDer::from(vec![0; 8]));
        assert!(of_system(junk).unwrap_err().to_string().contains("none of the system's 1"));
    }

    #[test]
    fn the_http_client_reads_the_pem_we_write() {
        let certificate = of_bundle(CA).unwrap().remove(0);
        assert_eq!(CertificateDer::from_pem_slice(&pem_of(&certificate)).unwrap(), certificate);
    }
}
