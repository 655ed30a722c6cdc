//! Services that hand out credentials: EC2's instance metadata, ECS' and EKS' containers, the portal of single sign-on.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use super::aws::Credentials;

/// A request as such a service reads it.
pub(crate) struct Request {
    /// Method and path, such as `GET /latest/meta-data/`.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
        let headers = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().into()))
            })
            .collect();
        Some(Self { line, headers })
    }

    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A status and a body.
pub(crate) type Answer = (u16, String);

/// A running service, which ends with the test process.
pub(crate) struct Metadata {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Metadata {
    /// On a port of this machine: answers each request with a status and a body.
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        Self::at("127.0.0.1:0", answer)
    }

    /// At this address, with its port.
    pub(crate) fn at(address: &str, answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let Some(request) = Request::read(&stream) else { continue };
                let (status, body) = answer(&request);
                log.lock().expect("the log").push(format!("{} {status}", request.line));
                let head =
                    format!("HTTP/1.1 {status} .\r\nConnection: close\r\nContent-Length: {}", body.len());
                let token_lives = "x-aws-ec2-metadata-token-ttl-seconds: 21600";
                let _ = write!(stream, "{head}\r\n{token_lives}\r\n\r\n{body}");
            }
        });
        Self { url, asked }
    }

    /// What it was asked, and its status: `GET /v1/credentials 200`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the log").clone()
    }
}

/// What EC2's instance metadata answers, version 2: nothing without a token of its own.
pub(crate) fn of_instance(
    name: &'static str,
    credentials: &Credentials,
) -> impl Fn(&Request) -> Answer + Send + 'static {
    const ROLES: &str = "GET /latest/meta-data/iam/security-credentials/";
    const TOKEN: &str = "a-token-of-the-instance";
    let credentials = document(credentials, &json!({"Code": "Success", "Type": "AWS-HMAC"}));
    move |request| match request.line.strip_prefix(ROLES) {
        _ if request.line == "PUT /latest/api/token" => (200, TOKEN.into()),
        _ if request.header("x-aws-ec2-metadata-token") != Some(TOKEN) => (401, String::new()),
        Some("") => (200, name.into()),
        Some(asked) if asked == name => (200, credentials.clone()),
        _ => (404, String::new()),
    }
}

/// What the service of a container answers, which may want something in `Authorization`.
pub(crate) fn of_container(
    authorization: Option<&'static str>,
    credentials: &Credentials,
) -> impl Fn(&Request) -> Answer + Send + 'static {
    let credentials = document(credentials, &json!({}));
    move |request| {
        if request.header("authorization") == authorization {
            (200, credentials.clone())
        } else {
            (401, String::from("{\"code\": \"unauthorized\", \"message\": \"no\"}"))
        }
    }
}

/// What the portal of AWS' single sign-on answers to who brings the token that `aws sso login` left.
pub(crate) fn of_sign_on(
    token: &'static str,
    credentials: &Credentials,
) -> impl Fn(&Request) -> Answer + Send + 'static {
    let role = json!({
        "accessKeyId": credentials.access_key,
        "secretAccessKey": "lab",
        "sessionToken": credentials.token,
        "expiration": 4_070_908_800_000_u64,
    });
    let answer = json!({"roleCredentials": role}).to_string();
    move |request| {
        let asked = request.line.starts_with("GET /federation/credentials?");
        match request.header("x-amz-sso_bearer_token") {
            Some(given) if asked && given == token => (200, answer.clone()),
            _ => (401, String::from("{\"__type\": \"UnauthorizedException\", \"message\": \"no\"}")),
        }
    }
}

/// Credentials as such a service writes them.
fn document(credentials: &Credentials, more: &serde_json::Value) -> String {
    let mut document = json!({
        "AccessKeyId": credentials.access_key,
        "SecretAccessKey": "lab",
        "Token": credentials.token,
        "LastUpdated": "2026-01-01T00:00:00Z",
        "Expiration": "2099-01-01T00:00:00Z",
    });
    for (name, value) in more.as_object().expect("an object") {
        document[name] = value.clone();
    }
    document.to_string()
}
