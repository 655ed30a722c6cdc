//! Plain YAML scalars are typed as the real sops types them.
//!
//! The MAC of a file is over typed values, so this can be seen from outside: sops makes the MAC of a document, and we
//! must find it right over the document as it was written before sops. Sops writes numbers and times in forms of its
//! own; a file that a person or a formatter touched afterwards holds others.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test runs tools and fails loudly"
)]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, thread};

use krm_sops::diagnostics::Code;
use krm_sops::secret::{DataKey, SecretBytes};
use krm_sops::sops::{Cipher, Format, SealedFile};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

const KEY: &str = "arn:aws:kms:us-west-2:111122223333:key/00000000-0000-0000-0000-000000000001";

/// Scalars at the edges of yaml.v3's rules.
const CHOSEN: &str = "0 -0 +0 00 007 0777 -0777 0888 -09 0x 0x1F 0X1f 0x1_F 0xG 0o17 0O17 0o8 0b101 0B11 0b2 -0b11 \
    -0o17 +0b1 0b-101 0o-7 0o+7 0b_1 1_000 1__0 1_ _1 -_1 9223372036854775807 9223372036854775808 -9223372036854775808 \
    -9223372036854775809 18446744073709551615 18446744073709551616 0xffffffffffffffff 0x1ffffffffffffffff 1e3 1E+3 \
    1e400 1e-400 1.5 1. .5 -.5 +.5 . .e3 .5e3 .1_0 ._1 1_0.5 .inf .Inf .INF +.inf -.INF .iNF inf Inf NaN .nan .NaN nan \
    true True TRUE tRUE false yes no on off y n ~ null Null NULL nULL 0.0 -0.0 1e21 1e22 5e-324 \
    1.7976931348623157e308 0x1p-2 1e 1e+ 1,000 = 1.2.3 --1 ++1 1:30 190:20:30 08:15 2024-01-02 2024-1-2 2024-1-2T3:4:5Z \
    2024-01-02t03:04:05z 2024-01-02T03:04:05.1234567891Z 2024-01-02T03:04:05,5+01:00 2024-01-02T03:04:05-00:00 \
    2024-01-02T03:04:05+24:00 2024-01-02T03:04:05+23:60 2024-01-02T03:04:05 2024-02-30 1900-02-29 2000-02-29 0000-01-01 \
    !!str:12 !!float:3 !!int:0x1F !!int:1.5 !!bool:yes !!bool:TRUE !!binary:aGV5 !!binary:/w== !!binary:? !!null:~ !!null:x \
    !!timestamp:2024-01-02 !!timestamp:x !mine:12 !:12 '0x1F' \"1\" !!int:'12'";

/// What else numbers, times and words look like.
const SHAPES: [&str; 6] = [
    "[-+]?0?[xXoObB]?[0-9][0-9a-fA-F_]{0,20}",
    "[-+.]?[0-9][0-9_.eE+-]{0,8}",
    "[.][a-zA-Z0-9_eE+-]{1,6}",
    "[yYnNtTfFoO~][a-zA-Z~]{0,4}",
    "(0000|1900|2000|2024|9999|204)-[01]?[0-9]-[0-3]?[0-9]",
    "2024-1?[0-9]-[0-2]?[0-9](T|t| |  )[0-2]?[0-9]:[0-5]?[0-9]:[0-6]?[0-9]([.,][0-9]{1,11})?(Z|z| Z|[+-][012][0-9]:[0-6]0)?",
];

#[test]
fn the_mac_of_plain_scalars_is_that_of_sops() {
    let sops = Sops::find();
    let mut scalars: Vec<String> = CHOSEN
        .split_whitespace()
        .map(|scalar| scalar.replacen(':', " ", usize::from(scalar.starts_with('!'))))
        .collect();
    let mut random = TestRunner::deterministic();
    for shape in SHAPES {
        let shape = proptest::string::string_regex(shape).unwrap();
        scalars.extend((0..200).map(|_| shape.new_tree(&mut random).unwrap().current()));
    }
    let wrong = sops.disagreements(&scalars);
    assert!(wrong.is_empty(), "sops types these in another way:\n{}", wrong.join("\n"));
}

/// The real sops, and a KMS that gives back what it is given, so that `enc` in a file is the data key itself.
struct Sops {
    binary: PathBuf,
    endpoint: String,
}

impl Sops {
    fn find() -> Self {
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin/sops");
        assert!(binary.is_file(), "{} is missing: run `make tools`", binary.display());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || listener.incoming().for_each(|stream| give_back(stream.unwrap())));
        Self { binary, endpoint }
    }

    /// The scalars that sops and we type in another way, found by halving.
    fn disagreements(&self, scalars: &[String]) -> Vec<String> {
        let plain = document(scalars);
        let agreed = match self.block(&plain) {
            Some(block) => is_authentic(&format!("{plain}{block}")),
            // Where sops refuses a scalar, we must refuse that scalar; what is beside it is tried on its own.
            None => scalars.len() == 1 && is_refused(&plain),
        };
        match scalars {
            _ if agreed => Vec::new(),
            [] => Vec::new(),
            [scalar] => vec![scalar.clone()],
            _ => {
                let (head, tail) = scalars.split_at(scalars.len() / 2);
                [self.disagreements(head), self.disagreements(tail)].concat()
            }
        }
    }

    /// The `sops` block that sops makes for a document of which nothing is to be encrypted.
    fn block(&self, plain: &str) -> Option<String> {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle_scalars.yaml");
        fs::write(&file, plain).unwrap();
        let run = Command::new(&self.binary)
            .args(["encrypt", "--kms", KEY, "--encrypted-regex", "^nothing$"])
            .arg(&file)
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "x")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .output()
            .unwrap();
        let encrypted = String::from_utf8(run.stdout).unwrap();
        let block = encrypted.find("\nsops:\n").map(|start| encrypted.split_at(start + 1).1.to_owned());
        let refusal = String::from_utf8_lossy(&run.stderr);
        let is_about_the_values =
            ["Error walking tree", "Error unmarshalling"].iter().any(|text| refusal.contains(text));
        assert!(block.is_some() || is_about_the_values, "sops says: {refusal}");
        block
    }
}

fn document(scalars: &[String]) -> String {
    scalars.iter().fold(String::from("scalars:\n"), |mut text, scalar| {
        writeln!(text, "    - {scalar}").unwrap();
        text
    })
}

fn is_authentic(text: &str) -> bool {
    let Ok(file) = SealedFile::parse(text, Format::Yaml) else { return false };
    let wrapped = &file.metadata.groups[0][0].wrapped;
    let key = SecretBytes::new(base64_simd::STANDARD.decode_to_vec(wrapped).unwrap());
    file.open(&Cipher::new(&DataKey::new(&key).unwrap())).mac.is_ok()
}

fn is_refused(text: &str) -> bool {
    SealedFile::parse(text, Format::Yaml).is_err_and(|problem| problem.code == Code::BadMetadata)
}

/// Answers one request to encrypt.
fn give_back(stream: TcpStream) {
    let mut request = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while request.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let answer =
        serde_json::json!({ "CiphertextBlob": body["Plaintext"], "KeyId": body["KeyId"] }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    request.into_inner().write_all((head + &answer).as_bytes()).unwrap();
}
