//! A stand-in for AWS on loopback: HTTP/1.1 with kept-alive connections, a thread for each, and a list of what came.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

/// What came in.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Method and target.
    pub(super) line: String,
    headers: Vec<(String, String)>,
    /// The body as text.
    pub(super) body: String,
}

impl Request {
    /// A header's value; empty where it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// `Decrypt`, `AssumeRole`, … or the first line of what is no call of AWS.
    pub(super) fn operation(&self) -> &str {
        let action = self.body.split('&').find_map(|pair| pair.strip_prefix("Action="));
        let target = self.header("x-amz-target").split_once('.').map(|(_, operation)| operation);
        action.or(target).unwrap_or(&self.line)
    }

    /// `KEY-ID/REGION/SERVICE` of the signature.
    pub(super) fn signer(&self) -> String {
        let scope = self.header("authorization").split_once("Credential=").map_or("", |(_, rest)| rest);
        let parts: Vec<_> = scope.split('/').collect();
        [parts[0], parts[2], parts[3]].join("/")
    }

    /// The JSON of the body.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What goes out.
pub(super) enum Reply {
    /// Status and body.
    Http(u16, String),
    /// Nothing, with the connection left open.
    Silence,
}

/// A running server. Its threads end with the process.
pub(super) struct Server {
    /// Where it listens.
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers plain HTTP.
    pub(super) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(answer, Some)
    }

    /// Answers HTTPS with a certificate for `localhost` by the CA of `ca.pem`.
    pub(super) fn start_tls(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let pem = include_bytes!("localhost.pem");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(pem).unwrap()],
                PrivateKeyDer::from_pem_slice(pem).unwrap(),
            );
        let config = Arc::new(config.unwrap());
        Self::listen(answer, move |stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(rustls::StreamOwned::new(connection, stream))
        })
    }

    fn listen<S: Read + Write>(
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let requests = Arc::clone(&server.requests);
        let shared = Arc::new((answer, wrap, requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, stream) = (Arc::clone(&shared), stream.unwrap());
                thread::spawn(move || {
                    let (answer, wrap, requests) = &*shared;
                    if let Some(stream) = wrap(stream) {
                        // A client that goes away, or refuses the certificate, is no failure of the server.
                        let _ = serve(BufReader::new(stream), answer, requests);
                    }
                });
            }
        });
        server
    }

    /// `http://HOST:PORT`
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How often an operation was called.
    pub(super) fn count(&self, operation: &str) -> usize {
        self.requests().iter().filter(|request| request.operation() == operation).count()
    }
}

fn serve<S: Read + Write>(
    mut stream: BufReader<S>,
    answer: &impl Fn(&Request) -> Reply,
    requests: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    while let Some(request) = read(&mut stream)? {
        requests.lock().unwrap().push(request.clone());
        match answer(&request) {
            Reply::Http(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\nx-amzn-requestid: req-1\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.get_mut().write_all(head.as_bytes())?;
                stream.get_mut().write_all(body.as_bytes())?;
                stream.get_mut().flush()?;
            }
            Reply::Silence => drop(stream.read(&mut [0])?),
        }
    }
    Ok(())
}

fn read(stream: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        match header.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut request = Request { line, headers, body: String::new() };
    let length = request.header("content-length").parse().unwrap_or(0);
    stream.take(length).read_to_string(&mut request.body)?;
    Ok(Some(request))
}
