//! krm-sops beside its peers: the same Secrets, the same stand-in, in turn; medians.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::Failure;
use crate::measure::{Used, Work, linkage, median};
use crate::standin::{Calls, Standin, Wire};
use crate::table::{self, Row};
use crate::trees::{CANARY, Tree, megabytes};

/// How many calls krm-sops has in flight at once.
const AT_ONCE: usize = 64;
/// Milliseconds that AWS takes for a call, near enough.
const LATENCY: u64 = 50;

mod builds;

struct Bench {
    ours: PathBuf,
    kustomize: PathBuf,
    sops: PathBuf,
    ksops: Option<PathBuf>,
    aws: Standin,
    over_tls: Standin,
    over_http2: Standin,
    scratch: tempfile::TempDir,
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// Prints the table.
pub(crate) fn compare(ours: &Path, tools: &Path, ksops: Option<&Path>) -> Result<(), Failure> {
    let began = Instant::now();
    let mut bench = Bench {
        ours: fs::canonicalize(ours)?,
        kustomize: fs::canonicalize(tools.join("kustomize"))?,
        sops: fs::canonicalize(tools.join("sops"))?,
        ksops: ksops.map(fs::canonicalize).transpose()?,
        aws: Standin::start(Wire::Plain)?,
        over_tls: Standin::start(Wire::Tls)?,
        over_http2: Standin::start(Wire::Tls2)?,
        scratch: tempfile::tempdir()?,
        rows: Vec::new(),
        notes: Vec::new(),
    };
    bench.prepare()?;
    bench.start()?;
    bench.two_hundred()?;
    bench.trouble()?;
    bench.two_thousand()?;
    bench.ten_thousand()?;
    bench.needle()?;
    bench.binary()?;
    println!("{}\n", bench.machine());
    table::print(&bench.rows);
    println!();
    for note in &bench.notes {
        println!("- {note}");
    }
    println!("- It took {:.0} s.", began.elapsed().as_secs_f64());
    Ok(())
}

impl Bench {
    fn prepare(&mut self) -> Result<(), Failure> {
        let plugin = self.scratch.path().join("plugins/krm-sops.dev/v1/sopsdecrypt");
        fs::create_dir_all(&plugin)?;
        symlink(&self.ours, plugin.join("SopsDecrypt"))?;
        for (standin, name) in [(&self.over_tls, "ca.pem"), (&self.over_http2, "ca2.pem")] {
            fs::write(self.scratch.path().join(name), standin.ca.as_deref().unwrap_or_default())?;
        }
        if self.ksops.is_none() {
            self.notes.push("KSOPS is left out: PEER_KSOPS names no binary of it.".to_owned());
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), Failure> {
        let tree = Tree::plain(10)?;
        let mut works = vec![self.function(&tree, &self.aws)];
        works.extend(self.peer(&tree)?);
        let used = self.in_turn(&works, 21)?;
        let [ours, peer @ ..] = used.as_slice() else { return Ok(()) };
        let work = "start, a list without Secrets";
        self.row(work, "time", ours.wall, None, Some(2.0), "ms");
        self.row(work, "peak memory", ours.memory, None, Some(8.0), "MiB");
        if let Some(peer) = peer.first() {
            self.row(work, "time", ours.wall, Some(("KSOPS", peer.wall)), Some(0.10), "ms");
            self.row(work, "peak memory", ours.memory, Some(("KSOPS", peer.memory)), None, "MiB");
        }
        Ok(())
    }

    fn two_hundred(&mut self) -> Result<(), Failure> {
        const SECRETS: usize = 200;
        let tree = Tree::separate(SECRETS)?;
        self.latency(LATENCY);
        let best = best(SECRETS);
        let work = "200 Secrets in 200 files, 50 ms a call";
        let works =
            [&self.aws, &self.over_tls, &self.over_http2].map(|standin| self.function(&tree, standin));
        self.check(&works[..1], &tree)?;
        self.take_calls();
        let used = self.in_turn(&works, 7)?;
        let [plain, tls, http2] = used.as_slice() else { return Ok(()) };
        self.row(work, "function, HTTP", plain.wall, Some(("rounds", best)), Some(1.3), "ms");
        self.row(work, "function, TLS", tls.wall, Some(("rounds", best)), Some(1.6), "ms");
        self.row(work, "function, TLS with HTTP/2", http2.wall, Some(("rounds", best)), None, "ms");
        let http2 = self.over_http2.take_calls().connections / 7;
        let calls = self.aws.take_calls();
        self.notes.push(format!(
            "200 Secrets: {} AssumeRole and {} Decrypt a run, over {} connections (HTTP/2: {http2}).",
            calls.assume_role / 7,
            calls.decrypt / 7,
            calls.connections / 7
        ));
        self.builds(&tree, work)?;
        self.latency(0);
        let work = "200 Secrets in 200 files, no latency";
        let mut works = vec![self.function(&tree, &self.aws)];
        works.extend(self.peer(&tree)?);
        self.check(&works, &tree)?;
        let used = self.in_turn(&works, 7)?;
        let [ours, peer @ ..] = used.as_slice() else { return Ok(()) };
        let beside = |of: fn(&Used) -> f64| peer.first().map(|peer| ("KSOPS", of(peer)));
        self.row(
            work,
            "function, CPU",
            ours.cpu,
            beside(|used| used.cpu),
            peer.first().and(Some(0.25)),
            "ms",
        );
        self.row(work, "function, time", ours.wall, beside(|used| used.wall), None, "ms");
        self.row(work, "function, peak memory", ours.memory, beside(|used| used.memory), None, "MiB");
        self.one_by_one(&tree, work, ours.wall)
    }

    /// sops itself, file by file, as a script would call it. It fails where a file is not what sops would have written.
    fn one_by_one(&mut self, tree: &Tree, work: &'static str, ours: f64) -> Result<(), Failure> {
        let script = "for file in \"$1\"/*.yaml; do case $file in */kustomization.yaml) ;; *) \"$0\" decrypt \"$file\" || exit 1 ;; esac; done";
        let sops = Work::new("/bin/sh", &tree.path(""))
            .argument("-c")
            .argument(script)
            .argument(&self.sops)
            .argument(tree.path("secrets"))
            .env("AWS_ENDPOINT_URL", &self.aws.url);
        self.check(std::slice::from_ref(&sops), tree)?;
        let used = self.in_turn(&[sops], 1)?;
        let beside = used.first().map(|used| ("`sops decrypt` in a loop", used.wall));
        self.row(work, "function, time", ours, beside, None, "ms");
        Ok(())
    }

    /// KMS that throttles, and KMS in trouble: slower, and nothing is missing.
    fn trouble(&mut self) -> Result<(), Failure> {
        let tree = Tree::separate(200)?;
        let works = [self.function(&tree, &self.aws)];
        self.latency(LATENCY);
        self.take_calls();
        let behaviour = self.aws.behaviour();
        behaviour.fail_every.store(10, Ordering::Relaxed);
        self.check(&works, &tree)?;
        let failing = self.in_turn(&works, 3)?;
        self.aws.behaviour().fail_every.store(0, Ordering::Relaxed);
        let refused = self.take_calls().refused / 4;
        self.notes.push(format!("Where each tenth call fails, {refused} calls of a run are made again."));
        if let Some(used) = failing.first() {
            let work = "200 Secrets, 50 ms a call, each tenth call fails";
            self.row(work, "function, time", used.wall, None, None, "ms");
        }
        self.throttled(&works)
    }

    /// Five attempts do not always outlast a second of throttling: how often is said.
    fn throttled(&mut self, works: &[Work; 1]) -> Result<(), Failure> {
        const RUNS: usize = 7;
        self.aws.behaviour().per_second.store(180, Ordering::Relaxed);
        let output = self.scratch.path().join("out.yaml");
        let through: Vec<Used> =
            (0..RUNS).flat_map(|_| works.iter().filter_map(|work| work.run(&output).ok())).collect();
        self.aws.behaviour().per_second.store(0, Ordering::Relaxed);
        let throttled = self.take_calls().refused / RUNS as u64;
        self.notes.push(format!(
            "Where KMS takes 180 calls a second, {throttled} calls of a run are throttled, and {} of {RUNS} runs are refused.",
            RUNS - through.len()
        ));
        if through.is_empty() {
            return Err("throttling outlasted all retries".into());
        }
        let work = "200 Secrets, 50 ms a call, 180 calls a second";
        self.row(work, "function, time", median(&through).wall, None, None, "ms");
        Ok(())
    }

    fn two_thousand(&mut self) -> Result<(), Failure> {
        const SECRETS: usize = 2_000;
        let tree = Tree::separate(SECRETS)?;
        self.latency(LATENCY);
        let works = [self.function(&tree, &self.aws)];
        self.check(&works, &tree)?;
        self.take_calls();
        let used = self.in_turn(&works, 3)?;
        let Calls { assume_role, decrypt, connections, .. } = self.take_calls();
        self.latency(0);
        let Some(ours) = used.first() else { return Ok(()) };
        let work = "2,000 Secrets in 2,000 files, 50 ms a call";
        self.row(work, "function, time", ours.wall, Some(("rounds", best(SECRETS))), Some(1.3), "ms");
        #[expect(clippy::cast_precision_loss, reason = "a few thousand calls")]
        let calls = (assume_role + decrypt) as f64 / 3.0;
        self.row(work, "calls", calls, None, Some(2001.0), "calls");
        self.notes.push(format!("2,000 Secrets: {} connections a run.", connections / 3));
        Ok(())
    }

    fn ten_thousand(&mut self) -> Result<(), Failure> {
        let tree = Tree::together(10_000)?;
        let work = "10,000 Secrets of one data key";
        let file = tree.sealed_files()?.remove(0);
        let (input, origin) = (megabytes(&tree.path("input.yaml"))?, megabytes(&file)?);
        let ours = self.function(&tree, &self.aws);
        self.check(std::slice::from_ref(&ours), &tree)?;
        let output = self.scratch.path().join("out.yaml");
        let decrypted = self.scratch.path().join("decrypted.yaml");
        fs::copy(&output, &decrypted)?;
        let floor = Self::floor(&tree).argument(&file).argument(&decrypted);
        let floor_of_input = Self::floor(&tree).argument(&decrypted);
        let used = self.in_turn(&[ours, floor, floor_of_input], 7)?;
        let [ours, floor, floor_of_input] = used.as_slice() else { return Ok(()) };
        let read = "reading both and writing";
        self.row(work, "function, time", ours.wall, Some((read, floor.wall)), Some(1.5), "ms");
        self.row(
            work,
            "function, time",
            ours.wall,
            Some(("reading the input alone and writing", floor_of_input.wall)),
            Some(1.5),
            "ms",
        );
        self.row(work, "function, time", ours.wall, None, Some(350.0), "ms");
        self.row(work, "function, CPU", ours.cpu, Some((read, floor.cpu)), None, "ms");
        let megabytes = ours.memory * 1.048_576;
        self.row(
            work,
            "function, peak memory",
            megabytes,
            Some(("input and file", input + origin)),
            Some(2.5),
            "MB",
        );
        self.row(work, "function, peak memory", megabytes, Some(("input alone", input)), Some(2.5), "MB");
        self.notes.push(format!("10,000 Secrets: {input:.1} MB of input, and a file of {origin:.1} MB."));
        Ok(())
    }

    fn needle(&mut self) -> Result<(), Failure> {
        let tree = Tree::haystack(10_000)?;
        let work = "one Secret among 10,000 plain resources";
        let input = megabytes(&tree.path("input.yaml"))?;
        let ours = self.function(&tree, &self.aws);
        self.check(std::slice::from_ref(&ours), &tree)?;
        let floor = Self::floor(&tree).argument(tree.path("input.yaml"));
        let used = self.in_turn(&[ours, floor], 9)?;
        let [ours, floor] = used.as_slice() else { return Ok(()) };
        self.row(
            work,
            "function, time",
            ours.wall,
            Some(("reading and writing", floor.wall)),
            Some(1.2),
            "ms",
        );
        self.row(work, "function, peak memory", ours.memory * 1.048_576, Some(("input", input)), None, "MB");
        self.notes.push(format!("10,000 plain resources: {input:.1} MB."));
        Ok(())
    }

    fn binary(&mut self) -> Result<(), Failure> {
        let size = megabytes(&self.ours)?;
        let linked = linkage(&self.ours)?;
        self.row("binary", "size", size, None, Some(9.0), "MB");
        self.notes.push(format!("The binary that was measured is {linked}."));
        Ok(())
    }

    /// krm-sops as kustomize starts its exec plugins.
    fn function(&self, tree: &Tree, standin: &Standin) -> Work {
        let work = Work::new(&self.ours, &tree.path("build"))
            .argument(tree.path("config.yaml"))
            .stdin(tree.path("input.yaml"))
            .env("KUSTOMIZE_PLUGIN_CONFIG_ROOT", tree.path("build"))
            .env("AWS_ENDPOINT_URL", &standin.url);
        match standin.url == self.over_http2.url {
            _ if standin.ca.is_none() => work,
            false => work.env("AWS_CA_BUNDLE", self.scratch.path().join("ca.pem")),
            true => work.env("AWS_CA_BUNDLE", self.scratch.path().join("ca2.pem")),
        }
    }

    /// KSOPS as kustomize starts it, where there is one.
    fn peer(&self, tree: &Tree) -> Result<Option<Work>, Failure> {
        let Some(ksops) = &self.ksops else { return Ok(None) };
        let binary = tree.path("ksops/ksops");
        if !binary.exists() {
            symlink(ksops, binary)?;
        }
        let work = Work::new(ksops, &tree.path("ksops")).stdin(tree.path("ksops/list.yaml"));
        Ok(Some(work.env("AWS_ENDPOINT_URL", &self.aws.url).env("AWS_REGION", "us-west-2")))
    }

    fn floor(tree: &Tree) -> Work {
        let own = std::env::current_exe().unwrap_or_default();
        Work::new(own, &tree.path("build")).argument("floor").stdin(tree.path("input.yaml"))
    }

    /// Whether each decrypts everything. What was decrypted is left where `run` leaves it.
    fn check(&self, works: &[Work], tree: &Tree) -> Result<(), Failure> {
        for work in works {
            let output = self.scratch.path().join("out.yaml");
            work.run(&output)?;
            let text = fs::read_to_string(&output)?;
            let found = text.matches(CANARY).count();
            if found != tree.values || text.contains("ENC[AES256_GCM") {
                return Err(format!("{found} of {} values were decrypted", tree.values).into());
            }
        }
        Ok(())
    }

    /// Runs them in turn, so many times each; the medians.
    fn in_turn(&self, works: &[Work], times: usize) -> Result<Vec<Used>, Failure> {
        let mut used = vec![Vec::with_capacity(times); works.len()];
        for _ in 0..times {
            for (work, used) in works.iter().zip(&mut used) {
                used.push(work.run(&self.scratch.path().join("out.yaml"))?);
            }
        }
        Ok(used.iter().map(|runs| median(runs)).collect())
    }

    fn latency(&self, milliseconds: u64) {
        for standin in [&self.aws, &self.over_tls, &self.over_http2] {
            standin.behaviour().latency.store(milliseconds, Ordering::Relaxed);
        }
    }

    /// Those of the stand-in without TLS; the others start anew, too.
    fn take_calls(&self) -> Calls {
        self.over_tls.take_calls();
        self.over_http2.take_calls();
        self.aws.take_calls()
    }

    fn row(
        &mut self,
        work: &'static str,
        measured: &'static str,
        ours: f64,
        beside: Option<(&'static str, f64)>,
        goal: Option<f64>,
        unit: &'static str,
    ) {
        let row = Row { work, measured, ours, beside, goal, unit };
        // So that whoever waits sees that it goes on.
        eprintln!("{}", row.line());
        self.rows.push(row);
    }

    /// What it was measured on, and what.
    fn machine(&self) -> String {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let model = model.trim_start_matches(['\t', ' ', ':']);
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let said = |program: &Path, argument: &str| {
            let output = Command::new(program).arg(argument).output();
            let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
        };
        format!(
            "{model}, {cores} cores; {}; kustomize {}; {}; {}",
            said(&self.ours, "--version"),
            said(&self.kustomize, "version"),
            said(&self.sops, "--version"),
            said(Path::new("rustc"), "--version"),
        )
    }
}

/// Milliseconds that the calls alone take: `AssumeRole`, then rounds of as many as may be in flight.
fn best(secrets: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few rounds")]
    let rounds = (1 + secrets.div_ceil(AT_ONCE)) as f64;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let latency = LATENCY as f64;
    rounds * latency
}
