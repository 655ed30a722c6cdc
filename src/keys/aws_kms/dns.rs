//! Name look-ups. Calls that start together share one, so that 64 connections to KMS do not ask the cluster's DNS 64
//! times in the same millisecond; a later call, or a retry, looks again and may meet another address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use tokio::sync::OnceCell;

/// The answer to a look-up, or what the operating system says instead.
type Answer = Result<Vec<IpAddr>, String>;

/// The system's resolver, with one question of a kind at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolver {
    asking: Arc<Mutex<HashMap<String, Arc<OnceCell<Answer>>>>>,
}

impl Resolver {
    async fn resolve(&self, name: &str) -> Answer {
        let cell = Arc::clone(self.asking().entry(name.to_owned()).or_default());
        let answer = cell.get_or_init(|| look_up(name)).await.clone();
        let mut asking = self.asking();
        // Whoever is first to have the answer forgets it; a question that came after that is another one.
        if asking.get(name).is_some_and(|current| Arc::ptr_eq(current, &cell)) {
            asking.remove(name);
        }
        answer
    }

    fn asking(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<Answer>>>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn an_answer_is_given_to_all_who_wait_and_then_forgotten() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let resolver = Resolver::default();
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let resolver = resolver.clone();
                tasks.spawn(async move { resolver.resolve("localhost").await });
            }
            tokio::task::yield_now().await;
            assert_eq!(resolver.asking().len(), 1);
            for answer in tasks.join_all().await {
                assert!(answer.unwrap().iter().all(IpAddr::is_loopback));
            }
        });
        assert!(resolver.asking().is_empty());
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let resolver = Resolver::default();
        assert!(runtime.block_on(resolver.resolve("-no-such-host.invalid")).is_err());
        assert!(resolver.asking().is_empty());
    }
}
