//! What many builds at once mean for the quotas of KMS and STS: the simulation behind docs/scale.md. The same seed gives the same figures.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Microseconds.
type Time = u64;
const SECOND: Time = 1_000_000;
/// What a call takes.
const LATENCY: Time = SECOND / 20;
/// How krm-sops tries: in rounds of five, with pauses of up to a quarter of a second, doubled each time and cut short at random, and
/// up to four seconds between two rounds. 30 seconds are enough for seven rounds.
const ATTEMPTS: u32 = 35;
const ROUND: u32 = 5;
const LONG_PAUSE: Time = 4 * SECOND;
const FIRST_PAUSE: Time = SECOND / 4;
/// AWS' default quota of STS, in calls a second.
const STS_QUOTA: u64 = 600;
/// AWS' price of 10,000 calls of KMS, in US dollars.
const PRICE: f64 = 0.03;

/// How builds are arranged.
struct Arrangement {
    name: &'static str,
    applications: usize,
    data_keys: usize,
    /// Seconds between two builds of an application.
    period: u64,
    /// Seconds over which the builds of a period are spread at random.
    jitter: u64,
    /// How many builds run at once; the others wait.
    at_once: usize,
    /// How many calls a build has in flight.
    in_flight: usize,
    /// Calls of KMS a second that are left for these builds.
    quota: u64,
}

const USUAL: Arrangement = Arrangement {
    name: "",
    applications: 300,
    data_keys: 200,
    period: 180,
    jitter: 0,
    at_once: 300,
    in_flight: 64,
    quota: 10_000,
};

/// Prints the table of docs/scale.md.
pub(crate) fn scale() {
    let arrangements = [
        Arrangement { name: "all at once, a data key for each Secret", ..USUAL },
        Arrangement { name: "… in a region with 20,000 calls a second", quota: 20_000, ..USUAL },
        Arrangement { name: "… in a region with 100,000 calls a second", quota: 100_000, ..USUAL },
        Arrangement { name: "40 builds at once (4 repo-servers with 10 each)", at_once: 40, ..USUAL },
        Arrangement { name: "… and `maxConcurrency: 8`", at_once: 40, in_flight: 8, ..USUAL },
        Arrangement { name: "spread over 60 s", jitter: 60, ..USUAL },
        Arrangement { name: "spread over the 180 s", jitter: 180, ..USUAL },
        Arrangement { name: "… where others use 90 % of the quota", jitter: 180, quota: 1_000, ..USUAL },
        Arrangement { name: "all at once, 20 data keys an application", data_keys: 20, ..USUAL },
        Arrangement { name: "all at once, 1 data key an application", data_keys: 1, ..USUAL },
        Arrangement {
            name: "spread over the 180 s, 1 data key an application",
            jitter: 180,
            data_keys: 1,
            ..USUAL
        },
    ];
    println!(
        "| arrangement | KMS calls a second, mean | peak | throttled | failed builds | build, median | 99 % | KMS a month |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for arrangement in &arrangements {
        println!("{}", simulate(arrangement));
    }
}

/// Calls in a second that are over the quota are refused; what is unused does not add up.
struct Quota {
    limit: u64,
    second: Time,
    used: u64,
}

impl Quota {
    fn take(&mut self, now: Time) -> bool {
        if now / SECOND != self.second {
            (self.second, self.used) = (now / SECOND, 0);
        }
        self.used += 1;
        self.used <= self.limit
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Ready,
    AssumeRole(u32),
    Decrypt(u32),
    Answered,
}

#[derive(Default)]
struct Build {
    asked: Time,
    done: Option<Time>,
    left: usize,
    waiting: usize,
    failed: bool,
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    calls: u64,
    peak: u64,
    throttled: u64,
    failed: usize,
    times: Vec<Time>,
}

fn simulate(arrangement: &Arrangement) -> String {
    let outcome = run(arrangement);
    let share = |percent: usize| {
        let at = (outcome.times.len() * percent / 100).min(outcome.times.len().saturating_sub(1));
        outcome.times.get(at).map_or_else(|| "–".to_owned(), |time| format!("{:.1} s", to_seconds(*time)))
    };
    #[expect(clippy::cast_precision_loss, reason = "some thousand calls")]
    let mean = outcome.calls as f64 / arrangement.period as f64;
    let month = mean * 30.0 * 86_400.0 / 10_000.0 * PRICE;
    let Outcome { peak, throttled, failed, .. } = outcome;
    format!(
        "| {} | {mean:.1} | {peak} | {throttled} | {failed} of {} | {} | {} | ${month:.0} |",
        arrangement.name,
        arrangement.applications,
        share(50),
        share(99)
    )
}

/// One period.
fn run(arrangement: &Arrangement) -> Outcome {
    let Arrangement { applications, data_keys, jitter, at_once, in_flight, quota, .. } = *arrangement;
    let mut random = Random(0x5eed);
    let mut kms = Quota { limit: quota, second: 0, used: 0 };
    let mut sts = Quota { limit: STS_QUOTA, second: 0, used: 0 };
    let mut builds: Vec<Build> = Vec::with_capacity(applications);
    let mut events = BinaryHeap::new();
    for number in 0..applications {
        let asked = random.below(jitter * SECOND);
        builds.push(Build { asked, left: data_keys, ..Build::default() });
        events.push(Reverse((asked, number, Happening::Ready)));
    }
    let mut outcome = Outcome::default();
    let mut seconds = std::collections::HashMap::<Time, u64>::new();
    let mut waiting = std::collections::VecDeque::new();
    let mut running = 0;
    while let Some(Reverse((now, number, happening))) = events.pop() {
        let Some(build) = builds.get_mut(number) else { continue };
        let mut retry = |attempt: u32, random: &mut Random, happening: fn(u32) -> Happening| {
            let in_round = (attempt - 1) % ROUND;
            let longest = if in_round == ROUND - 1 { LONG_PAUSE } else { FIRST_PAUSE << in_round };
            let pause = random.below(longest);
            events.push(Reverse((now + LATENCY + pause, number, happening(attempt + 1))));
        };
        match happening {
            Happening::Ready if running == at_once => waiting.push_back(number),
            Happening::Ready => {
                running += 1;
                events.push(Reverse((now, number, Happening::AssumeRole(1))));
            }
            Happening::AssumeRole(attempt) => {
                if sts.take(now) {
                    for _ in 0..in_flight.min(build.left) {
                        build.left -= 1;
                        build.waiting += 1;
                        events.push(Reverse((now + LATENCY, number, Happening::Decrypt(1))));
                    }
                } else if attempt < ATTEMPTS {
                    retry(attempt, &mut random, Happening::AssumeRole);
                } else {
                    build.failed = true;
                    (build.left, build.waiting) = (0, 1);
                    events.push(Reverse((now + LATENCY, number, Happening::Answered)));
                }
            }
            Happening::Decrypt(attempt) => {
                outcome.calls += 1;
                *seconds.entry(now / SECOND).or_default() += 1;
                let taken = kms.take(now);
                outcome.throttled += u64::from(!taken);
                if !taken && attempt < ATTEMPTS {
                    retry(attempt, &mut random, Happening::Decrypt);
                } else {
                    build.failed |= !taken;
                    events.push(Reverse((now + LATENCY, number, Happening::Answered)));
                }
            }
            Happening::Answered => {
                build.waiting -= 1;
                if build.left > 0 {
                    build.left -= 1;
                    build.waiting += 1;
                    events.push(Reverse((now, number, Happening::Decrypt(1))));
                } else if build.waiting == 0 {
                    build.done = Some(now);
                    running -= 1;
                    if let Some(next) = waiting.pop_front() {
                        events.push(Reverse((now, next, Happening::Ready)));
                    }
                }
            }
        }
    }
    outcome.peak = seconds.values().copied().max().unwrap_or_default();
    outcome.failed = builds.iter().filter(|build| build.failed).count();
    outcome.times = builds.iter().filter_map(|build| Some(build.done? - build.asked)).collect();
    outcome.times.sort_unstable();
    outcome
}

fn to_seconds(time: Time) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some minutes")]
    let time = time as f64;
    time / 1e6
}

/// `SplitMix64`: the same seed gives the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        if bound == 0 { 0 } else { mixed % bound }
    }
}
