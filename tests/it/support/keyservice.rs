//! The real `sops keyservice`, and processes that only pretend to be one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::aws::Lab;
use super::run;

/// A running keyservice. It ends when it is dropped.
pub(crate) struct Keyservice {
    /// Its address, for `spec.keyservices`.
    pub(crate) url: String,
    child: Child,
    directory: tempfile::TempDir,
}

impl Keyservice {
    /// Starts one on a Unix socket, with credentials of its own in the lab.
    pub(crate) fn on_socket(lab: &Lab) -> Self {
        Self::on_socket_with(lab, |_| {})
    }

    /// Likewise, with a change to its command, such as another environment.
    pub(crate) fn on_socket_with(lab: &Lab, adjust: impl FnOnce(&mut Command)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = directory.path().join("sops.sock").to_str().expect("a path in UTF-8").to_owned();
        Self::start(lab, directory, ["unix", &socket], &format!("unix://{socket}"), adjust, || {
            UnixStream::connect(&socket).map(drop)
        })
    }

    /// Starts one on a port of this machine.
    pub(crate) fn on_port(lab: &Lab) -> Self {
        let address = free_address();
        Self::start(
            lab,
            tempfile::tempdir().expect("a temporary directory"),
            ["tcp", &address],
            &format!("tcp://{address}"),
            |_| {},
            || TcpStream::connect(&address).map(drop),
        )
    }

    fn start(
        lab: &Lab,
        directory: tempfile::TempDir,
        [network, address]: [&str; 2],
        url: &str,
        adjust: impl FnOnce(&mut Command),
        connect: impl Fn() -> io::Result<()>,
    ) -> Self {
        let mut command = run::command(&run::tool("bin/sops"));
        command.args(["keyservice", "--network", network, "--address", address]);
        adjust(lab.for_service(&mut command));
        let child = command.spawn().expect("sops starts");
        let service = Self { url: url.to_owned(), child, directory };
        let started = Instant::now();
        while let Err(error) = connect() {
            assert!(started.elapsed() < Duration::from_secs(30), "{url} does not listen: {error}");
            thread::sleep(Duration::from_millis(5));
        }
        service
    }

    /// The path of its socket, where it listens on one.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("sops.sock")
    }

    /// Ends it as a crash would, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Keyservice {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address where nobody listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// Something that listens on a port and is no keyservice. It keeps count of who comes.
pub(crate) struct Pretender {
    /// Its address, for `spec.keyservices`.
    pub(crate) url: String,
    connections: Arc<AtomicUsize>,
}

impl Pretender {
    /// Does with the so-manieth connection what it is told.
    pub(crate) fn start(serve: impl Fn(usize, TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("tcp://{}", listener.local_addr().expect("an address"));
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        // It ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(count.fetch_add(1, Ordering::SeqCst) + 1, stream);
            }
        });
        Self { url, connections }
    }

    /// Says the same to everyone, whatever they say.
    pub(crate) fn saying(words: &'static [u8]) -> Self {
        Self::start(|_, mut stream| {
            let _ = stream.write_all(words);
            let _ = stream.shutdown(Shutdown::Write);
            // Until they have gone: an early end would reset the connection before it is read.
            let _ = io::copy(&mut stream, &mut io::sink());
        })
    }

    /// Passes on what is said between krm-sops and a keyservice.
    pub(crate) fn that_passes_on(socket: PathBuf) -> Self {
        Self::start(move |_, stream| pass_on(stream, &socket))
    }

    /// Likewise, but breaks the first connection in the middle of a call.
    pub(crate) fn that_breaks_once(socket: PathBuf) -> Self {
        Self::start(move |number, mut stream| match number {
            1 => drop(stream.read(&mut [0; 64])),
            _ => pass_on(stream, &socket),
        })
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn pass_on(mut stream: TcpStream, socket: &Path) {
    let mut service = UnixStream::connect(socket).expect("the keyservice is there");
    let (mut from, mut to) = (stream.try_clone().expect("a copy"), service.try_clone().expect("a copy"));
    thread::spawn(move || io::copy(&mut from, &mut to));
    thread::spawn(move || io::copy(&mut service, &mut stream));
}
