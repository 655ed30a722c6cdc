//! Where a service listens that is no website: a Unix socket, or a TCP port.

use std::fmt;
use std::path::{Path, PathBuf};

use http::uri::Authority;

/// The address of a sops keyservice, as `sops --keyservice` takes it: `unix:///run/sops.sock`, `tcp://127.0.0.1:5000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceAddress {
    /// A socket, by its absolute path.
    Unix(PathBuf),
    /// A port.
    Tcp {
        /// A name or an IP address, without the brackets of IPv6.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAddress {
    /// The reason.
    pub why: &'static str,
    /// What was meant, where that can be guessed.
    pub meant: Option<String>,
}

const EXPECTED: &str = "unix:///PATH or tcp://HOST:PORT is expected";

impl ServiceAddress {
    /// Reads a URL. A port is never guessed, and a path is never relative: a function does not choose where it is started.
    ///
    /// # Errors
    /// It is none of the two forms; with the near one.
    pub fn parse(url: &str) -> Result<Self, NoAddress> {
        match url.split_once("://") {
            Some(("unix", path)) if is_socket(path) => Ok(Self::Unix(PathBuf::from(path))),
            Some(("tcp", host)) => tcp(host).ok_or_else(|| no_address(url)),
            _ => Err(no_address(url)),
        }
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

fn is_socket(path: &str) -> bool {
    Path::new(path).is_absolute() && !path.ends_with('/') && !path.contains('\0')
}

/// HOST:PORT, with nothing around it: no user, no path.
fn tcp(text: &str) -> Option<ServiceAddress> {
    let authority: Authority = text.parse().ok()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().filter(|port| *port != 0)?;
    let address = ServiceAddress::Tcp { host: host.to_owned(), port };
    (!host.is_empty() && address.to_string() == format!("tcp://{text}")).then_some(address)
}

fn no_address(url: &str) -> NoAddress {
    let why = match url.split_once(':') {
        Some(("https", _)) => "sops' keyservice speaks no TLS; unix:///PATH or tcp://HOST:PORT is expected",
        Some(("unix", _)) => "the socket's absolute path is expected: unix:///PATH",
        Some(("tcp", _)) => "a host and a port are expected, and nothing else: tcp://HOST:PORT",
        _ => EXPECTED,
    };
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    let rest = rest.trim_matches('/');
    // `unix:` takes a path whatever the number of slashes; all else that looks like a host and a port may be one.
    let guesses = match scheme {
        "unix" => vec![format!("unix:///{rest}")],
        "http" | "https" | "grpc" | "tcp" => vec![format!("tcp://{rest}")],
        _ if url.starts_with('/') => vec![format!("unix://{url}")],
        _ => vec![format!("tcp://{url}")],
    };
    let meant = guesses.into_iter().find(|guess| guess != url && ServiceAddress::parse(guess).is_ok());
    NoAddress { why, meant }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_ports() {
        for url in
            ["unix:///run/sops.sock", "tcp://127.0.0.1:5000", "tcp://sops.internal:1", "tcp://[::1]:5000"]
        {
            assert_eq!(ServiceAddress::parse(url).unwrap().to_string(), url);
        }
        let ipv6 = ServiceAddress::Tcp { host: String::from("::1"), port: 5000 };
        assert_eq!(ServiceAddress::parse("tcp://[::1]:5000"), Ok(ipv6));
    }

    #[test]
    fn what_is_near_is_suggested() {
        for (url, meant) in [
            ("unix:/run/sops.sock", Some("unix:///run/sops.sock")),
            ("unix://run/sops.sock", Some("unix:///run/sops.sock")),
            ("unix:///run/sops.sock/", Some("unix:///run/sops.sock")),
            ("/run/sops.sock", Some("unix:///run/sops.sock")),
            ("http://127.0.0.1:5000", Some("tcp://127.0.0.1:5000")),
            ("https://sops.internal:5000/", Some("tcp://sops.internal:5000")),
            ("tcp://127.0.0.1:5000/", Some("tcp://127.0.0.1:5000")),
            ("tcp:127.0.0.1:5000", Some("tcp://127.0.0.1:5000")),
            ("127.0.0.1:5000", Some("tcp://127.0.0.1:5000")),
            ("tcp://127.0.0.1", None),
            ("tcp://127.0.0.1:0", None),
            ("tcp://127.0.0.1:70000", None),
            ("tcp://me:hunter2@host:5000", None),
            ("me:hunter2@host:5000", None),
            ("tcp://:5000", None),
            ("unix://", None),
            ("unix:///", None),
            ("sops.sock", None),
            ("", None),
        ] {
            let no = ServiceAddress::parse(url).unwrap_err();
            assert_eq!(no.meant.as_deref(), meant, "{url}: {no:?}");
        }
    }
}
