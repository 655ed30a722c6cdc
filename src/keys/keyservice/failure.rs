//! Why a keyservice did not unwrap a data key, and what is said about it.
//!
//! sops' service answers whatever befell it with one gRPC status, `Unknown`, and the text of the error. So a refusal by
//! IAM and trouble between the service and AWS look the same from here: both are `kms-denied`, with that text.

use std::io;
use std::time::Duration;

use tonic::{Code as Grpc, Status};

use crate::diagnostics::{Code, Problem};
use crate::master_key::{Grant, KeyKind};
use crate::service_address::ServiceAddress;

/// The longest text of a service that is quoted, in characters.
const LONGEST_MESSAGE: usize = 600;

/// A run of letters and digits of this length may be a key: a data key has 43 in base64 and 64 in hexadecimal digits.
const SHORTEST_KEY: usize = 32;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The service could not be connected to: why, and what to do.
    Unreachable(String, &'static str),
    /// The service did not accept the connection in time.
    NotAccepted,
    /// The connection broke: why.
    Broken(String),
    /// There was no answer in this time.
    Late(Duration),
    /// The service answered that it will not, or cannot.
    Refused(String),
    /// The service answered that it has trouble.
    Trouble(String),
    /// What answered is no keyservice.
    Strange(String),
    /// The service answered with success, and without a data key.
    Empty,
}

impl Failure {
    /// A connection that the operating system did not make.
    pub(super) fn unreachable(error: &io::Error, address: &ServiceAddress) -> Self {
        const START: &str = "start it (`sops keyservice`, with the --network and --address that spec.keyservices \
             names); a container function sees only the sockets that its `mounts` list, where they are mounted";
        let socket = matches!(address, ServiceAddress::Unix(_));
        let (why, help) = match error.kind() {
            io::ErrorKind::NotFound if socket => ("there is no such socket".to_owned(), START),
            io::ErrorKind::PermissionDenied if socket => (
                "the socket's permissions do not let us in".to_owned(),
                "let the user that runs this write to the socket: sops makes it for its own user alone, and \
                 kustomize runs containers as nobody, unless given --as-current-user",
            ),
            io::ErrorKind::ConnectionRefused => ("nobody listens there".to_owned(), START),
            _ => (error.to_string(), START),
        };
        Self::Unreachable(why, help)
    }

    /// A status that came from the other side.
    pub(super) fn answered(status: &Status) -> Self {
        let text = presentable(status.message());
        let said = match status.code() {
            Grpc::Unknown => format!("it answered: {text}"),
            code => format!("it answered {code:?}: {text}"),
        };
        match status.code() {
            Grpc::Unimplemented => Self::Strange(said),
            Grpc::Unavailable
            | Grpc::DeadlineExceeded
            | Grpc::ResourceExhausted
            | Grpc::Cancelled
            | Grpc::Aborted
            | Grpc::Internal
            | Grpc::DataLoss => Self::Trouble(said),
            _ => Self::Refused(said),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Refused(_) => Code::KmsDenied,
            _ => Code::KmsUnreachable,
        }
    }

    fn cause(&self) -> String {
        match self {
            Self::Unreachable(why, _) => format!("it cannot be reached: {why}"),
            Self::NotAccepted => String::from("it did not accept a connection in time"),
            Self::Broken(why) => format!("the connection broke: {why}"),
            Self::Late(time) => format!("it gave no answer within {time:?}"),
            Self::Refused(said) | Self::Trouble(said) | Self::Strange(said) => said.clone(),
            Self::Empty => String::from("it answered without a data key"),
        }
    }

    fn help(&self) -> &'static str {
        match self {
            Self::Unreachable(_, help) => help,
            Self::NotAccepted | Self::Late(_) => {
                "look at the service: it may wait for the network, or for a person (`--prompt`); spec.aws.timeout bounds the wait"
            }
            Self::Broken(_) | Self::Strange(_) | Self::Empty => {
                "check that it is a sops keyservice that listens there, and what it logged"
            }
            Self::Refused(_) => {
                "the service unwraps with its own credentials and keys: check what they may do, and the role of the creation rule"
            }
            Self::Trouble(_) => "look at the service and try again",
        }
    }
}

/// What is said where no service unwrapped a grant's data key: each service, and why it did not. `failed` is not empty.
pub(super) fn problem(grant: &Grant, failed: &[(&ServiceAddress, Failure)]) -> Problem {
    let key = match grant.role.as_ref().filter(|_| grant.key.kind == KeyKind::AwsKms) {
        Some(role) => format!("{} as {role}", grant.key),
        None => grant.key.to_string(),
    };
    let refused = failed.iter().find(|(_, failure)| failure.code() == Code::KmsDenied);
    let code = refused.map_or(Code::KmsUnreachable, |(_, failure)| failure.code());
    let what = match failed {
        [(address, Failure::Refused(_))] => {
            format!("the keyservice {address} refused to unwrap the data key with {key}")
        }
        [(address, _)] => format!("the keyservice {address} did not unwrap the data key with {key}"),
        several => format!("none of the {} keyservices unwrapped the data key with {key}", several.len()),
    };
    let problem = failed.iter().fold(Problem::new(code, what), |problem, (address, failure)| {
        if failed.len() == 1 {
            problem.because(failure.cause())
        } else {
            problem.because(format!("{address}: {}", failure.cause()))
        }
    });
    match refused.or(failed.first()) {
        Some((_, failure)) => problem.help(failure.help()),
        None => problem,
    }
}

/// The first line of a service's text, without what could be a key. What follows a first line may be anything: AWS quotes
/// a request there, with its session token, when it does not like the signature.
fn presentable(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown = String::new();
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let run = rest.find(|c| !could_be_key(c)).unwrap_or(rest.len()).max(next.len_utf8());
        let (word, after) = rest.split_at(run);
        let hidden = word.len() >= SHORTEST_KEY && could_be_key(next);
        shown.push_str(if hidden { "(hidden)" } else { word });
        rest = after;
    }
    if shown.is_empty() {
        String::from("nothing more")
    } else {
        shown.chars().take(LONGEST_MESSAGE).collect()
    }
}

fn could_be_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master_key::MasterKey;

    #[test]
    fn a_text_is_shown_without_what_could_be_a_key() {
        for (text, shown) in [
            ("age: no identity matched", "age: no identity matched"),
            ("first line\r\nx-amz-security-token:hunter2", "first line"),
            ("got YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY= here", "got (hidden) here"),
            ("AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQY", "AGE-SECRET-KEY-(hidden)"),
            (
                "not allowed: arn:aws:kms:us-west-2:123456789012:key/0d1c2b3a-4f5e-4a6b-8c7d-9e8f7a6b5c4d",
                "not allowed: arn:aws:kms:us-west-2:123456789012:key/0d1c2b3a-4f5e-4a6b-8c7d-9e8f7a6b5c4d",
            ),
            ("ü€ö", "ü€ö"),
            ("", "nothing more"),
        ] {
            assert_eq!(presentable(text), shown);
        }
        assert_eq!(presentable(&"a b".repeat(1000)).chars().count(), LONGEST_MESSAGE);
    }

    #[test]
    fn what_sops_answers_is_a_refusal_and_what_grpc_answers_is_not() {
        for (code, expected) in [
            (Grpc::Unknown, Code::KmsDenied),
            (Grpc::PermissionDenied, Code::KmsDenied),
            (Grpc::NotFound, Code::KmsDenied),
            (Grpc::Unavailable, Code::KmsUnreachable),
            (Grpc::Unimplemented, Code::KmsUnreachable),
        ] {
            assert_eq!(Failure::answered(&Status::new(code, "no")).code(), expected, "{code:?}");
        }
    }

    #[test]
    fn a_refusal_goes_before_a_service_that_is_not_there() {
        let addresses = ["unix:///a.sock", "tcp://h:1"].map(|url| ServiceAddress::parse(url).unwrap());
        let [socket, port] = &addresses;
        let gone = Failure::unreachable(&io::ErrorKind::NotFound.into(), socket);
        let no = Failure::Refused("it answered: no".into());
        let key = MasterKey::new(KeyKind::AwsKms, "arn");
        let grant = Grant { key, wrapped: String::new(), role: Some("role".into()), profile: None };
        let both = problem(&grant, &[(socket, gone.clone()), (port, no.clone())]);
        assert_eq!(both.code, Code::KmsDenied);
        assert_eq!(both.what, "none of the 2 keyservices unwrapped the data key with arn as role");
        assert_eq!(
            both.causes,
            ["unix:///a.sock: it cannot be reached: there is no such socket", "tcp://h:1: it answered: no"]
        );
        assert_eq!(both.help.as_deref(), Some(no.help()));
        assert_eq!(problem(&grant, &[(socket, gone)]).code, Code::KmsUnreachable);
    }
}
