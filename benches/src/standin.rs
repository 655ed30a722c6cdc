//! A stand-in for AWS: `AssumeRole`, `GetCallerIdentity`, and KMS' `Encrypt`, `Decrypt` and `GenerateDataKey`, as fast or slow as it is told to be.
//!
//! It holds no keys: a wrapped data key is the key's ARN and the data key behind it. It protects nothing, and that is the point:
//! what is measured is the caller.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Failure;
use crate::sealer::{self, MAGIC, wrap};

/// How it behaves. May be changed while it runs.
#[derive(Debug, Default)]
pub(crate) struct Behaviour {
    /// What each answer takes, in milliseconds.
    pub(crate) latency: AtomicU64,
    /// How many KMS calls it answers in a second before it throttles; 0 for no limit.
    pub(crate) per_second: AtomicU64,
    /// Each how many KMS calls one fails, as a service in trouble does; 0 for none.
    pub(crate) fail_every: AtomicU64,
}

/// What it was asked since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) assume_role: u64,
    pub(crate) decrypt: u64,
    pub(crate) other: u64,
    /// Those of them that were throttled or failed.
    pub(crate) refused: u64,
    pub(crate) connections: u64,
}

#[derive(Debug)]
struct Shared {
    behaviour: Behaviour,
    assume_role: AtomicU64,
    decrypt: AtomicU64,
    other: AtomicU64,
    refused: AtomicU64,
    connections: AtomicU64,
    kms: AtomicU64,
    started: Instant,
    /// The second that calls are counted in, in the upper half, and how many there were, in the lower.
    window: AtomicU64,
}

/// A running stand-in. It ends with the process.
#[derive(Debug)]
pub(crate) struct Standin {
    /// What `AWS_ENDPOINT_URL` is to be.
    pub(crate) url: String,
    /// What the file that `AWS_CA_BUNDLE` names has to hold, where it speaks TLS.
    pub(crate) ca: Option<String>,
    shared: Arc<Shared>,
}

/// How it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// HTTP/1.1 in the clear.
    Plain,
    /// TLS, and HTTP/1.1 in it.
    Tls,
    /// TLS, and HTTP/2 where the client wants it.
    Tls2,
}

impl Standin {
    /// Starts one, in a thread of its own, on a port that is free.
    pub(crate) fn start(wire: Wire) -> Result<Self, Failure> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (ca, acceptor) = match wire {
            Wire::Plain => (None, None),
            Wire::Tls => tls(&[b"http/1.1"]).map(|(ca, acceptor)| (Some(ca), Some(acceptor)))?,
            Wire::Tls2 => tls(&[b"h2", b"http/1.1"]).map(|(ca, acceptor)| (Some(ca), Some(acceptor)))?,
        };
        let shared = Arc::new(Shared {
            behaviour: Behaviour::default(),
            assume_role: AtomicU64::default(),
            decrypt: AtomicU64::default(),
            other: AtomicU64::default(),
            refused: AtomicU64::default(),
            connections: AtomicU64::default(),
            kms: AtomicU64::default(),
            started: Instant::now(),
            window: AtomicU64::default(),
        });
        let served = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("aws".into()).spawn(move || {
            runtime.block_on(async {
                if let Err(error) = serve(listener, acceptor, served).await {
                    eprintln!("the stand-in for AWS ended: {error}");
                }
            });
        })?;
        let scheme = if ca.is_some() { "https" } else { "http" };
        Ok(Self { url: format!("{scheme}://localhost:{port}"), ca, shared })
    }

    /// How it behaves from now on.
    pub(crate) fn behaviour(&self) -> &Behaviour {
        &self.shared.behaviour
    }

    /// What it was asked since the last look.
    pub(crate) fn take_calls(&self) -> Calls {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let shared = &self.shared;
        Calls {
            assume_role: take(&shared.assume_role),
            decrypt: take(&shared.decrypt),
            other: take(&shared.other),
            refused: take(&shared.refused),
            connections: take(&shared.connections),
        }
    }
}

/// The ARN and the data key, if the blob is one of ours.
fn unwrap(blob: &[u8]) -> Option<(&str, Vec<u8>)> {
    let rest = blob.strip_prefix(MAGIC)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let arn = std::str::from_utf8(rest.get(..end)?).ok()?;
    let data_key = rest.get(end + 1..end + 33)?;
    Some((arn, data_key.iter().map(|byte| !byte).collect()))
}

/// A CA that was made just now, and a server with a certificate of it for this machine.
fn tls(protocols: &[&[u8]]) -> Result<(String, TlsAcceptor), Failure> {
    let ca_key = rcgen::KeyPair::generate()?;
    let mut ca = rcgen::CertificateParams::new(Vec::new())?;
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok((ca_pem, TlsAcceptor::from(Arc::new(config))))
}

async fn serve(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        shared.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(connection(stream, tls.clone(), Arc::clone(&shared)));
    }
}

/// One connection. A client that goes away is none of its business.
async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let builder = auto::Builder::new(TokioExecutor::new());
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    match tls {
        None => drop(builder.serve_connection(TokioIo::new(stream), service).await),
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    let target = target.map(str::to_owned);
    let body = request.into_body().collect().await?.to_bytes();
    let latency = Duration::from_millis(shared.behaviour.latency.load(Ordering::Relaxed));
    let (status, content_type, body) = if let Some(target) = target {
        shared.kms(&target, &body)
    } else {
        shared.sts(&String::from_utf8_lossy(&body))
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", content_type);
    Ok(response)
}

type Answer = (hyper::StatusCode, hyper::header::HeaderValue, String);

impl Shared {
    fn kms(&self, target: &str, body: &[u8]) -> Answer {
        let action = target.rsplit('.').next().unwrap_or_default();
        count(if action == "Decrypt" { &self.decrypt } else { &self.other });
        if let Some(refusal) = self.trouble() {
            return refusal;
        }
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes = |name: &str| base64_simd::STANDARD.decode_to_vec(text(name)).unwrap_or_default();
        let key = text("KeyId");
        match action {
            "Encrypt" => {
                json_answer(200, &json!({"KeyId": key, "CiphertextBlob": wrap(key, &bytes("Plaintext"))}))
            }
            "GenerateDataKey" => {
                let number = self.kms.load(Ordering::Relaxed);
                let data_key = sealer::data_key(usize::try_from(number).unwrap_or_default());
                let plaintext = base64_simd::STANDARD.encode_to_string(data_key);
                json_answer(
                    200,
                    &json!({"KeyId": key, "Plaintext": plaintext, "CiphertextBlob": wrap(key, &data_key)}),
                )
            }
            "Decrypt" => match unwrap(&bytes("CiphertextBlob")) {
                Some((arn, data_key)) if key.is_empty() || key == arn => {
                    let plaintext = base64_simd::STANDARD.encode_to_string(data_key);
                    json_answer(
                        200,
                        &json!({"KeyId": arn, "Plaintext": plaintext, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
                    )
                }
                Some(_) => self.refuse(400, "IncorrectKeyException"),
                None => self.refuse(400, "InvalidCiphertextException"),
            },
            _ => self.refuse(400, "UnknownOperationException"),
        }
    }

    /// Throttling and faults.
    fn trouble(&self) -> Option<Answer> {
        let number = self.kms.fetch_add(1, Ordering::Relaxed) + 1;
        let limit = self.behaviour.per_second.load(Ordering::Relaxed);
        if limit > 0 {
            let second = self.started.elapsed().as_secs();
            let count = |window: u64| if window >> 32 == second { window + 1 } else { (second << 32) + 1 };
            let before =
                self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| Some(count(window)));
            if count(before.unwrap_or_default()) & 0xffff_ffff > limit {
                return Some(self.refuse(400, "ThrottlingException"));
            }
        }
        let every = self.behaviour.fail_every.load(Ordering::Relaxed);
        (every > 0 && number.is_multiple_of(every)).then(|| self.refuse(500, "KMSInternalException"))
    }

    fn refuse(&self, status: u16, code: &str) -> Answer {
        count(&self.refused);
        json_answer(status, &json!({"__type": code, "message": "the stand-in says no"}))
    }

    fn sts(&self, form: &str) -> Answer {
        let xml = |body: String| (hyper::StatusCode::OK, header("text/xml"), body);
        let parameter = |name: &str| {
            let pair = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.unwrap_or_default().replace("%3A", ":").replace("%2F", "/")
        };
        if parameter("Action") == "AssumeRole" {
            count(&self.assume_role);
            let name = parameter("RoleArn").rsplit('/').next().unwrap_or_default().to_owned();
            return xml(format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
                 <Arn>arn:aws:sts::123456789012:assumed-role/{name}/session</Arn><AssumedRoleId>AROA:session</AssumedRoleId>\
                 </AssumedRoleUser><Credentials><AccessKeyId>ASIASTANDIN</AccessKeyId><SecretAccessKey>none</SecretAccessKey>\
                 <SessionToken>none</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
                 </AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>"
            ));
        }
        count(&self.other);
        xml("<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::123456789012:user/benches</Arn><UserId>AIDA</UserId><Account>123456789012</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>"
            .to_owned())
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn json_answer(status: u16, body: &Value) -> Answer {
    let status = hyper::StatusCode::from_u16(status).unwrap_or_default();
    (status, header("application/x-amz-json-1.1"), body.to_string())
}

fn header(value: &'static str) -> hyper::header::HeaderValue {
    hyper::header::HeaderValue::from_static(value)
}
