//! Turns. Calls that may begin together, as when a role has been assumed, are let out a few at a time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// How many calls are let out at once.
const AT_ONCE: usize = 4;

/// How often a call is polled until its request is on the way: it is signed, has a connection, and is written.
const POLLS: usize = 3;

/// Whose turn it is. One thread makes all calls: without turns it would sign all of them, and then connect all of them, before the
/// first is sent.
#[derive(Debug)]
pub(super) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Turns {
    /// Makes a call; the next one's turn comes when its request should be on the way.
    pub(super) async fn take<T>(&self, mut call: impl Future<Output = T> + Unpin) -> T {
        {
            // Fails only once the semaphore is closed, which nobody does.
            let _turn = self.0.acquire().await;
            for _ in 0..POLLS {
                if let Poll::Ready(answer) =
                    poll_fn(|context| Poll::Ready(Pin::new(&mut call).poll(context))).await
                {
                    return answer;
                }
                // What the system has to tell comes between.
                yield_now().await;
            }
        }
        call.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::task::JoinSet;

    use super::*;

    /// Makes so many calls of which each is on its way after three polls, and done after five; the numbers of the calls in the
    /// order in which they were on their way, and how many had begun by then.
    fn let_out(calls: usize) -> Vec<(usize, usize)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (turns, begun, sent) = (Arc::new(Turns::default()), Arc::new(Mutex::new(0)), Arc::default());
        let sent: Arc<Mutex<Vec<_>>> = sent;
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for number in 0..calls {
                let (turns, begun, sent) = (Arc::clone(&turns), Arc::clone(&begun), Arc::clone(&sent));
                let call = async move {
                    *begun.lock().unwrap() += 1;
                    yield_now().await;
                    yield_now().await;
                    sent.lock().unwrap().push((number, *begun.lock().unwrap()));
                    yield_now().await;
                    yield_now().await;
                    number
                };
                tasks.spawn(async move { turns.take(Box::pin(call)).await });
            }
            let mut answers = tasks.join_all().await;
            answers.sort_unstable();
            assert!(answers.into_iter().eq(0..calls));
        });
        Arc::into_inner(sent).unwrap().into_inner().unwrap()
    }

    #[test]
    fn few_begin_before_the_first_is_on_its_way() {
        let sent = let_out(100);
        assert!(sent.iter().map(|(number, _)| *number).eq(0..100), "they go in order");
        assert!(sent.iter().all(|(number, begun)| *begun <= number + 2 * AT_ONCE), "{sent:?}");
        assert_eq!(let_out(1), [(0, 1)]);
    }

    #[test]
    fn a_call_that_ends_at_once_gives_its_turn_on() {
        let turns = Turns::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for number in 0..2 * AT_ONCE {
            assert_eq!(runtime.block_on(turns.take(std::future::ready(number))), number);
        }
    }
}
