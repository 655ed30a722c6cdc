use std::net::TcpListener;

use super::super::*;
use super::server::{Reply, Request, Server};
use super::{EAST, WEST, block_on, grant, keys, keys_at, shown, well};
use crate::keys::Keys;

const CA: &[u8] = include_bytes!("ca.pem");

fn said(keys: &Keys, key: &str, address: &str) -> String {
    let problem = block_on(keys.unwrap(&grant(key, "one"))).unwrap_err();
    assert_eq!(problem.code, Code::KmsUnreachable, "{problem:?}");
    shown(problem, address)
}

fn trusting(ca_bundle: Option<&[u8]>) -> Settings {
    Settings { ca_bundle: ca_bundle.map(<[u8]>::to_vec), ..Settings::default() }
}

#[test]
fn a_port_where_nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let text = said(&keys(&format!("http://{address}")), WEST, &address);
    insta::assert_snapshot!(text, @r"
    error[kms-unreachable]: the data key could not be unwrapped with arn:aws:kms:us-west-2:111122223333:key/west by way of KMS in us-west-2 at HOST
       cause: HOST cannot be reached: Connection refused (os error 111)
        help: check network, DNS, proxy and CA bundle; a container function needs `network: true` and --network
    ");
}

// A name that the system refuses without a look-up, so that no DNS server can be slow about it.
#[test]
fn a_name_that_cannot_be_resolved() {
    let text = said(&keys("http://-kms.invalid"), WEST, "");
    assert!(text.contains("the name of -kms.invalid cannot be resolved"), "{text}");
}

#[test]
fn an_endpoint_that_is_no_url() {
    said(&keys("not a url"), WEST, "");
}

#[test]
fn a_certificate_of_an_authority_in_the_bundle_is_trusted() {
    let aws = Server::start_tls(well);
    let endpoint = format!("https://localhost:{}", aws.address.port());
    let keys = keys_at(&endpoint, trusting(Some(CA)), Proxies::none());
    assert_eq!(block_on(keys.unwrap(&grant(WEST, "one"))).unwrap().expose(), b"one");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not() {
    let aws = Server::start_tls(well);
    let endpoint = format!("https://localhost:{}", aws.address.port());
    let keys = keys_at(&endpoint, trusting(None), Proxies::none());
    let text = said(&keys, WEST, &aws.address.port().to_string());
    insta::assert_snapshot!(text, @r"
    error[kms-unreachable]: the data key could not be unwrapped with arn:aws:kms:us-west-2:111122223333:key/west by way of KMS in us-west-2 at localhost:HOST
       cause: the certificate of localhost:HOST is of an authority that is not trusted here
        help: where a proxy opens TLS, let AWS_CA_BUNDLE name a file with its authority's certificate in PEM; a container needs that file and variable, too
    ");
    assert!(aws.requests().is_empty());
}

#[test]
fn a_certificate_for_another_name_is_not_trusted_either() {
    let aws = Server::start_tls(well);
    let keys = keys_at(&format!("https://{}", aws.address), trusting(Some(CA)), Proxies::none());
    let text = said(&keys, WEST, &aws.address.to_string());
    assert!(
        text.contains("cause: the certificate of HOST is refused: certificate not valid for name"),
        "{text}"
    );
    assert!(aws.requests().is_empty());
}

#[test]
fn a_bundle_without_certificates_is_named() {
    let keys = keys_at("https://localhost:1", trusting(Some(b"hunter2")), Proxies::none());
    insta::assert_snapshot!(said(&keys, WEST, ""), @r"
    error[kms-unreachable]: the data key could not be unwrapped with arn:aws:kms:us-west-2:111122223333:key/west by way of KMS in us-west-2 at localhost:1
       cause: the file that AWS_CA_BUNDLE names holds no usable certificate in PEM
        help: let AWS_CA_BUNDLE name a readable file of certificates in PEM, or unset it
    ");
}

#[test]
fn plain_http_needs_no_roots() {
    let aws = Server::start(well);
    let keys = keys_at(&aws.url(), trusting(Some(b"not a bundle")), Proxies::none());
    block_on(keys.unwrap(&grant(WEST, "one"))).unwrap();
}

#[test]
fn a_proxy_is_used_but_not_for_what_it_spares() {
    let proxy = Server::start(well);
    let aws = Server::start(well);
    let proxies = Proxies::all(&format!("http://me:hunter2@{}", proxy.address), "-spared.invalid");
    let keys = |endpoint: &str| keys_at(endpoint, trusting(Some(CA)), proxies.clone());

    block_on(keys("http://kms.invalid").unwrap(&grant(WEST, "one"))).unwrap();
    assert_eq!(proxy.requests()[0].line, "POST http://kms.invalid/");
    assert_eq!(proxy.requests()[0].header("proxy-authorization"), "Basic bWU6aHVudGVyMg==");

    let text = said(&keys("http://-spared.invalid"), WEST, "");
    assert!(text.contains("the name of -spared.invalid cannot be resolved"), "{text}");
    block_on(keys(&aws.url()).unwrap(&grant(EAST, "one"))).unwrap();
    assert_eq!((proxy.requests().len(), aws.requests().len()), (1, 1));
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let wants_password = |request: &Request| {
        assert_eq!(request.line, "CONNECT kms.invalid:443");
        Reply::Http(407, String::new())
    };
    let proxy = Server::start(wants_password);
    let text = |address: &str| {
        let proxies = Proxies::all(&format!("http://me:hunter2@{address}"), "");
        said(&keys_at("https://kms.invalid", trusting(Some(CA)), proxies), WEST, address)
    };
    insta::assert_snapshot!(text(&proxy.address.to_string()), @r"
    error[kms-unreachable]: the data key could not be unwrapped with arn:aws:kms:us-west-2:111122223333:key/west by way of KMS in us-west-2 at kms.invalid
       cause: the proxy HOST, on the way to kms.invalid, wants a user and a password
        help: put them into HTTPS_PROXY, as in http://USER:PASSWORD@HOST:PORT
    ");
    insta::assert_snapshot!(text(&closed), @r"
    error[kms-unreachable]: the data key could not be unwrapped with arn:aws:kms:us-west-2:111122223333:key/west by way of KMS in us-west-2 at kms.invalid
       cause: the proxy HOST, on the way to kms.invalid, cannot be reached: Connection refused (os error 111)
        help: check network, DNS, proxy and CA bundle; a container function needs `network: true` and --network
    ");
}
