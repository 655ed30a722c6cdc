//! The stand-in for AWS, and what a test sees of it.
//!
//! One stand-in serves the whole test process. Tests do not meet in it: each [`Lab`] has credentials of its own, by
//! which its calls are told apart and its faults are chosen, and makes keys of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};

use super::run;

/// A test's own view of AWS, with its own credentials.
pub(crate) struct Lab {
    standin: &'static Standin,
    number: usize,
}

/// Credentials of a session. Their secret key is `lab`, as that of all in the lab.
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) token: String,
}

/// A call that AWS got, as the stand-in wrote it down.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Call {
    /// The ARN of the role whose session called; none for the caller itself.
    pub(crate) role: Option<String>,
    /// The name of that session.
    pub(crate) session: Option<String>,
    /// `kms` or `sts`.
    pub(crate) service: String,
    /// `Decrypt`, `AssumeRole` and so on.
    pub(crate) action: String,
    /// The region that the call was signed for.
    pub(crate) region: String,
    /// The key or role that it is about.
    pub(crate) target: Option<String>,
    /// The encryption context, where one was sent.
    pub(crate) context: Option<std::collections::BTreeMap<String, String>>,
    /// The session name that an `AssumeRole` asks for.
    pub(crate) session_name: Option<String>,
    /// The error code of the answer, where it is one.
    pub(crate) error: Option<String>,
    /// How many calls of this caller were under way when this one came, itself included.
    pub(crate) in_flight: usize,
}

/// Something that goes wrong in AWS, for the calls that fit.
#[derive(Clone, Debug)]
pub(crate) struct Fault(Value);

impl Fault {
    /// For this action, such as `kms` `Decrypt`.
    pub(crate) fn on(service: &str, action: &str) -> Self {
        Self(json!({"service": service, "action": action}))
    }

    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0[field] = value.into();
        self
    }

    /// Only where it is about this key or role.
    pub(crate) fn target(self, arn: &str) -> Self {
        self.with("target", arn)
    }

    /// Only the first so many calls.
    pub(crate) fn times(self, times: usize) -> Self {
        self.with("times", times)
    }

    /// The call fails with this error code.
    pub(crate) fn error(self, code: &str) -> Self {
        self.with("error", code)
    }

    /// What the error says.
    pub(crate) fn message(self, message: &str) -> Self {
        self.with("message", message)
    }

    /// The HTTP status of the error; 400 unless told.
    pub(crate) fn status(self, status: u16) -> Self {
        self.with("status", status)
    }

    /// The answer takes this long.
    pub(crate) fn delay(self, milliseconds: u64) -> Self {
        self.with("delay_ms", milliseconds)
    }
}

impl Lab {
    /// The stand-in, started by the first test that needs it, with credentials that no other test has.
    pub(crate) fn new() -> Self {
        static STANDIN: OnceLock<Standin> = OnceLock::new();
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let standin = STANDIN.get_or_init(Standin::start);
        Self { standin, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    /// Where AWS is.
    pub(crate) fn url(&self) -> &str {
        &self.standin.url
    }

    /// The role and the two keys of the examples (see `scripts/lab.sh`), made once.
    pub(crate) fn make_demonstration_keys(&self) {
        static MADE: OnceLock<()> = OnceLock::new();
        MADE.get_or_init(|| {
            let role = self.make("role", &json!({"name": "flux-secrets"}));
            let script = std::fs::read_to_string(run::source("scripts/lab.sh")).expect("the script");
            let keys = script.lines().filter_map(|line| line.trim().strip_prefix("--key ")?.split_once('='));
            for (region, id) in keys {
                let id = id.trim_end_matches([' ', '\\']);
                self.make("key", &json!({"region": region, "key_id": id, "only_for": role}));
            }
        });
    }

    /// Makes a KMS key that only a session of this role may use; returns its ARN.
    pub(crate) fn key(&self, region: &str, role: &str) -> String {
        self.make("key", &json!({"region": region, "only_for": role}))
    }

    /// Makes a KMS key that every caller may use; returns its ARN.
    pub(crate) fn open_key(&self, region: &str) -> String {
        self.make("key", &json!({"region": region}))
    }

    /// Gives a command the credentials of a session of a role, instead of the caller's own.
    pub(crate) fn as_role(&self, command: &mut Command, role: &str) {
        let session = self.session(role);
        self.environment(command, &session.access_key).env("AWS_SESSION_TOKEN", session.token);
    }

    /// Credentials of a session of a role, as AWS gives them to what runs as that role.
    pub(crate) fn session(&self, role: &str) -> Credentials {
        let session = self.standin.ask("session", &json!({"caller": self.caller(), "role": role}));
        let part = |name: &str| session[name].as_str().expect("a string").to_owned();
        Credentials { access_key: part("access_key"), token: part("token") }
    }

    /// Lets whoever has this token be this role, as a cluster's identity provider does; counted as the caller.
    pub(crate) fn trust(&self, token: &str, role: &str) {
        self.standin.ask("web-identity", &json!({"token": token, "role": role, "caller": self.caller()}));
    }

    /// Makes a role of just this name, which the examples have.
    pub(crate) fn named_role(&self, name: &str) -> String {
        self.make("role", &json!({"name": name}))
    }

    /// Makes a role that every caller but itself may assume; returns its ARN.
    pub(crate) fn role(&self, name: &str) -> String {
        self.make("role", &json!({"name": format!("{name}-{}", self.number)}))
    }

    fn make(&self, what: &str, asked: &Value) -> String {
        self.standin.ask(what, asked)["arn"].as_str().expect("an ARN").to_owned()
    }

    /// From now on, this goes wrong for the calls of krm-sops (not for those of sops).
    pub(crate) fn fault(&self, fault: Fault) {
        self.fault_of(&self.caller(), fault);
    }

    /// From now on, this goes wrong for the calls of a keyservice.
    pub(crate) fn fault_of_service(&self, fault: Fault) {
        self.fault_of(&self.service(), fault);
    }

    fn fault_of(&self, caller: &str, fault: Fault) {
        self.standin.ask("fault", &fault.with("caller", caller).0);
    }

    /// The calls that krm-sops made, in the order in which they came.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls_of(&self.caller())
    }

    /// The calls that a keyservice made.
    pub(crate) fn calls_of_service(&self) -> Vec<Call> {
        self.calls_of(&self.service())
    }

    fn calls_of(&self, caller: &str) -> Vec<Call> {
        let calls = self.standin.ask("calls", &json!({"caller": caller}));
        serde_json::from_value(calls).expect("calls as the stand-in writes them")
    }

    /// Every data key that was wrapped or unwrapped in this lab, in base64.
    pub(crate) fn data_keys(&self) -> Vec<String> {
        let keys = [self.caller(), self.encrypter(), self.service()].map(|caller| {
            serde_json::from_value(self.standin.ask("data-keys", &json!({"caller": caller})))
                .unwrap_or_else(|error| panic!("data keys are strings: {error}"))
        });
        let mut keys: Vec<String> = keys.into_iter().flat_map(|keys: Vec<String>| keys).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Gives a command the credentials of the caller of krm-sops, and AWS.
    pub(crate) fn for_caller<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        self.environment(command, &self.caller())
    }

    /// Gives a command other credentials than the caller's, so that the calls of sops are not counted with those of krm-sops.
    pub(crate) fn for_encrypter<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        self.environment(command, &self.encrypter())
    }

    /// Gives a keyservice credentials of its own, so that its calls are told apart, too.
    pub(crate) fn for_service<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        self.environment(command, &self.service())
    }

    fn environment<'c>(&self, command: &'c mut Command, access_key: &str) -> &'c mut Command {
        command
            .env("AWS_ENDPOINT_URL", self.url())
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", "lab")
            .env("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// The caller of krm-sops, by its access key.
    pub(crate) fn caller(&self) -> String {
        format!("AKIACALLER{:06}", self.number)
    }

    fn encrypter(&self) -> String {
        format!("AKIASOPS{:08}", self.number)
    }

    fn service(&self) -> String {
        format!("AKIASERVICE{:05}", self.number)
    }
}

/// The running stand-in. It ends when its standard input closes: when this is dropped, or when the test process ends.
struct Standin {
    url: String,
    _child: Child,
}

impl Standin {
    fn start() -> Self {
        let mut child = run::command(&run::tool("venv/bin/python"))
            .arg(run::source("scripts/aws_standin.py"))
            .arg("--until-eof")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut url = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut url).expect("the stand-in speaks UTF-8");
        assert!(url.starts_with("http://"), "the stand-in for AWS did not start; what it said is above");
        Self { url: url.trim_end().to_owned(), _child: child }
    }

    /// POSTs to the stand-in itself.
    fn ask(&self, what: &str, asked: &Value) -> Value {
        let host = self.url.trim_start_matches("http://");
        let body = asked.to_string();
        let mut stream = TcpStream::connect(host).expect("the stand-in is there");
        write!(
            stream,
            "POST /_lab/{what} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("the stand-in listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the stand-in answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.starts_with("HTTP/1.1 200"), "the stand-in refused `{what}` {asked}: {answer}");
        serde_json::from_str(body).expect("JSON")
    }
}
