//! Name look-ups. Calls that begin about the same time share one, so that 64 connections to KMS do not ask the cluster's DNS 64
//! times in the same moment; a later call, or a retry, looks again and may meet another address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use tokio::sync::OnceCell;

/// The answer to a look-up, or what the operating system says instead.
type Answer = Result<Vec<IpAddr>, String>;

/// How long after a question it is answered like that again, where there was an answer. A build asks for seconds, and a
/// name server's own time is seldom as short.
const LIFETIME: Duration = Duration::from_secs(1);

/// The system's resolver, with one question of a kind at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolver {
    asked: Arc<Mutex<HashMap<String, Question>>>,
}

/// A question, and its answer once there is one.
#[derive(Clone, Debug)]
struct Question {
    at: Instant,
    answer: Arc<OnceCell<Answer>>,
}

impl Resolver {
    async fn resolve(&self, name: &str) -> Answer {
        let question = self.question(name, Instant::now());
        question.answer.get_or_init(|| look_up(name)).await.clone()
    }

    /// The last question, if that is not too long ago and nobody knows that it failed; else a new one.
    fn question(&self, name: &str, now: Instant) -> Question {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |question: &&Question| match question.answer.get() {
            None => true,
            Some(answer) => answer.is_ok() && now.duration_since(question.at) < LIFETIME,
        };
        if let Some(known) = asked.get(name).filter(is_good) {
            return known.clone();
        }
        let question = Question { at: now, answer: Arc::default() };
        asked.insert(name.to_owned(), question.clone());
        question
    }
}

async fn look_up(name: &str) -> Answer {
    match tokio::net::lookup_host((name, 0)).await {
        Ok(addresses) => Ok(addresses.map(|address| address.ip()).collect()),
        Err(error) => Err(error.to_string()),
    }
}

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { self.resolve(name).await.map_err(ResolveDnsError::new) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn an_answer_is_given_to_all_who_ask_soon() {
        let resolver = Resolver::default();
        runtime().block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let resolver = resolver.clone();
                tasks.spawn(async move { resolver.resolve("localhost").await });
            }
            for answer in tasks.join_all().await {
                assert!(answer.unwrap().iter().all(IpAddr::is_loopback));
            }
        });
        let asked = resolver.asked.lock().unwrap()["localhost"].clone();
        assert!(asked.answer.get().is_some());
        let again = |later: Duration| {
            Arc::ptr_eq(&resolver.question("localhost", asked.at + later).answer, &asked.answer)
        };
        assert!(again(Duration::ZERO) && again(LIFETIME / 2));
        assert!(!again(LIFETIME) && !again(Duration::ZERO));
    }

    /// A name server may be there again for the retry.
    #[test]
    fn a_name_that_is_not_there_is_an_error_and_is_asked_for_again() {
        let resolver = Resolver::default();
        let name = "-no-such-host.invalid";
        assert!(runtime().block_on(resolver.resolve(name)).is_err());
        let asked = resolver.asked.lock().unwrap()[name].clone();
        assert!(!Arc::ptr_eq(&resolver.question(name, asked.at).answer, &asked.answer));
    }
}
