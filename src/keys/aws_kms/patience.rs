//! Throttling is waited out. The quotas of KMS and STS are counted by the second and shared by a whole account: when many
//! builds start at once, each has to wait its turn, and none of them is refused anything.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::failure::Failure;

/// The longest pause between two rounds of attempts.
const PAUSE: Duration = Duration::from_secs(4);

/// The longest that a round may take: the SDK's attempts and the pauses between them.
const ROUND: Duration = Duration::from_secs(5);

/// Makes a call, which tries a few times itself, again and again while it is throttled and there is time for it. `timeout`
/// bounds all of it.
pub(super) async fn outlast<T, C: Future<Output = Result<T, Failure>>>(
    timeout: Duration,
    mut call: impl FnMut() -> C,
) -> Result<T, Failure> {
    let started = Instant::now();
    loop {
        match call().await {
            Err(Failure::Throttled(_)) if started.elapsed() + PAUSE + ROUND < timeout => {
                // At random, or all that were throttled together would come back together.
                sleep(PAUSE.mul_f64(fraction())).await;
            }
            settled => return settled,
        }
    }
}

/// A number from 0 to 1 that differs from call to call and from process to process. No secret hangs on it.
fn fraction() -> f64 {
    let bits = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::aws_kms::failure::Answer;

    fn throttled() -> Failure {
        Failure::Throttled(Answer::default())
    }

    fn run(timeout: u64, throttled_calls: usize) -> (usize, bool, Duration) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let started = Instant::now();
            let mut calls = 0;
            let answer = outlast(Duration::from_secs(timeout), || {
                calls += 1;
                let answer = if calls > throttled_calls { Ok(()) } else { Err(throttled()) };
                async {
                    sleep(Duration::from_millis(50)).await;
                    answer
                }
            });
            let settled = answer.await.is_ok();
            (calls, settled, started.elapsed())
        })
    }

    #[test]
    fn throttling_that_ends_is_waited_out() {
        let (calls, settled, took) = run(30, 3);
        assert_eq!((calls, settled), (4, true));
        assert!(took <= 3 * PAUSE + ROUND, "{took:?}");
    }

    #[test]
    fn throttling_without_end_ends_with_the_timeout() {
        let (calls, settled, took) = run(30, usize::MAX);
        assert!(!settled && calls > 5 && took < Duration::from_secs(30), "{calls} calls in {took:?}");
        // Too short for another round.
        assert_eq!(run(8, usize::MAX).0, 1);
    }

    #[test]
    fn the_pauses_differ() {
        let pauses: std::collections::BTreeSet<u64> = (0..50).map(|_| fraction().to_bits()).collect();
        assert!(pauses.len() > 40);
    }
}
