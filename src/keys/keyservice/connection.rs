//! One keyservice: its connection, and a call over it.

use std::error::Error;
use std::io;
use std::iter;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::Uri;
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic_prost::ProstCodec;

use super::failure::Failure;
use super::messages::{DecryptRequest, DecryptResponse};
use crate::keys::BoxFuture;
use crate::secret::SecretBytes;
use crate::service_address::ServiceAddress;

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before a connection that broke is made anew. A service that dies closes its connections before its socket:
/// without a pause, the next connection would still be taken, and break likewise.
const PAUSE: Duration = Duration::from_millis(250);

/// No answer of a keyservice comes near this: a data key has 32 bytes. Bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// A keyservice. All calls of a run share one connection, which is made for the first of them.
pub(super) struct Service {
    address: ServiceAddress,
    timeout: Duration,
    connection: Mutex<Connection>,
}

/// What has become of the connection.
enum Connection {
    /// Nobody asked for it yet.
    New,
    /// It is there, and is the so-manieth.
    Open(Http2, usize),
    /// It could not be made, and is not tried again in this run.
    Failed(Failure),
}

impl Service {
    /// Connects to nothing yet. `timeout` is the bound of a call, the connection included.
    pub(super) fn new(address: ServiceAddress, timeout: Duration) -> Self {
        Self { address, timeout, connection: Mutex::new(Connection::New) }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &ServiceAddress {
        &self.address
    }

    /// Has the service unwrap a data key.
    pub(super) async fn decrypt(&self, request: &DecryptRequest) -> Result<SecretBytes, Failure> {
        let answer = tokio::time::timeout(self.timeout, self.ask(request)).await;
        answer.unwrap_or(Err(Failure::Late(self.timeout)))
    }

    /// A call whose connection breaks is made once more, over a new one: to unwrap twice does no harm, and a service that
    /// was restarted in the middle of a run is no reason to fail.
    async fn ask(&self, request: &DecryptRequest) -> Result<SecretBytes, Failure> {
        let (http, number) = self.connection(0).await?;
        match call(http, request.clone()).await {
            Err(Failure::Broken(_)) => {
                tokio::time::sleep(PAUSE).await;
                let (http, _) = self.connection(number).await?;
                call(http, request.clone()).await
            }
            answer => answer,
        }
    }

    /// A connection that comes after number `broken`.
    async fn connection(&self, broken: usize) -> Result<(Http2, usize), Failure> {
        let mut connection = self.connection.lock().await;
        match &*connection {
            Connection::Open(http, number) if *number > broken => return Ok((http.clone(), *number)),
            Connection::Failed(failure) => return Err(failure.clone()),
            Connection::New | Connection::Open(..) => {}
        }
        let wait = CONNECT_TIMEOUT.min(self.timeout / 3);
        let made = match tokio::time::timeout(wait, connect(&self.address)).await {
            Ok(made) => made,
            Err(_) => Err(Failure::NotAccepted),
        };
        let number = broken + 1;
        *connection = match &made {
            Ok(http) => Connection::Open(http.clone(), number),
            Err(failure) => Connection::Failed(failure.clone()),
        };
        Ok((made?, number))
    }
}

async fn connect(address: &ServiceAddress) -> Result<Http2, Failure> {
    let unreachable = |error: io::Error| Failure::unreachable(&error, address);
    match address {
        ServiceAddress::Unix(path) => open(UnixStream::connect(path).await.map_err(unreachable)?).await,
        ServiceAddress::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
            // Calls are small, and nobody waits for more to fill a packet with. Without it they only take longer.
            let _ = stream.set_nodelay(true);
            open(stream).await
        }
    }
}

async fn open(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Http2, Failure> {
    let (requests, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    // It carries all calls, until the last of them lets go of it. Why it ended, the calls are told.
    tokio::spawn(connection.map(drop));
    Ok(Http2(requests))
}

async fn call(http: Http2, request: DecryptRequest) -> Result<SecretBytes, Failure> {
    const METHOD: PathAndQuery = PathAndQuery::from_static("/KeyService/Decrypt");
    // The service looks at no host; HTTP wants one.
    let origin = Uri::from_static("http://keyservice");
    let mut grpc = Grpc::with_origin(http, origin).max_decoding_message_size(LARGEST_ANSWER);
    grpc.ready().await.map_err(|error| broken(&error))?;
    let codec = ProstCodec::<DecryptRequest, DecryptResponse>::default();
    match grpc.unary(tonic::Request::new(request), METHOD, codec).await {
        Ok(answer) => match answer.into_inner().plaintext {
            empty if empty.is_empty() => Err(Failure::Empty),
            plaintext => Ok(SecretBytes::new(plaintext)),
        },
        // What the service said has no source: it came as it is. All else befell the connection.
        Err(status) => Err(match status.source() {
            Some(error) => broken(error),
            None => Failure::answered(&status),
        }),
    }
}

/// The connection broke; in the operating system's or HTTP's own words.
fn broken(error: &(dyn Error + 'static)) -> Failure {
    let last = iter::successors(Some(error), |&error| error.source()).last().unwrap_or(error);
    Failure::Broken(last.to_string())
}

/// An HTTP/2 connection as tonic wants it.
#[derive(Clone)]
struct Http2(SendRequest<Body>);

impl GrpcService<Body> for Http2 {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<http::Response<Incoming>, hyper::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
