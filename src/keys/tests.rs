use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::*;
use crate::master_key::MasterKey;

/// The kinds that SOPS knows and that no provider is for, yet. A kind that is on neither list fails a test below.
const UNSUPPORTED: &[KeyKind] = &[
    KeyKind::Age,
    KeyKind::Pgp,
    KeyKind::GcpKms,
    KeyKind::HuaweiKms,
    KeyKind::AzureKeyVault,
    KeyKind::HashicorpVault,
];

fn grant(kind: KeyKind, wrapped: &str) -> Grant {
    Grant { key: MasterKey::new(kind, "key"), wrapped: wrapped.into(), role: None, profile: None }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A provider for age that answers with the wrapped text after a while, and keeps count.
#[derive(Default)]
struct Slow {
    calls: Mutex<Vec<String>>,
    running: AtomicUsize,
    most: AtomicUsize,
    /// How many calls are made and not answered, running or not.
    made: AtomicUsize,
    most_made: AtomicUsize,
}

impl Slow {
    async fn answer(&self, grant: &Grant) -> Result<SecretBytes, Problem> {
        self.calls.lock().unwrap().push(grant.wrapped.clone());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.made.fetch_sub(1, Ordering::SeqCst);
        match grant.wrapped.as_str() {
            "bad" => Err(Problem::new(Code::KmsDenied, "bad")),
            text => Ok(SecretBytes::new(text.as_bytes().to_vec())),
        }
    }
}

impl Provider for Arc<Slow> {
    fn unwrap<'a>(&'a self, grant: &'a Grant) -> Option<BoxFuture<'a, Result<SecretBytes, Problem>>> {
        (grant.key.kind == KeyKind::Age).then(|| {
            let made = self.made.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_made.fetch_max(made, Ordering::SeqCst);
            Box::pin(self.answer(grant)) as BoxFuture<'a, _>
        })
    }
}

fn slow(max_concurrency: usize) -> (Arc<Slow>, Arc<Keys>) {
    let slow = Arc::new(Slow::default());
    let limit = NonZeroUsize::new(max_concurrency).unwrap();
    (Arc::clone(&slow), Arc::new(Keys::of(vec![Box::new(slow)], limit)))
}

#[test]
fn every_kind_is_supported_or_named_as_unsupported() {
    for &kind in KeyKind::ALL {
        assert_ne!(Keys::supports(kind), UNSUPPORTED.contains(&kind), "{kind}");
    }
}

#[test]
fn a_kind_has_one_provider_which_takes_it_and_nothing_else() {
    let kinds: BTreeSet<_> = REGISTRY.iter().map(|registration| registration.kind).collect();
    assert_eq!(kinds.len(), REGISTRY.len());
    let settings = Arc::new(Settings::default());
    for registration in REGISTRY {
        let provider = (registration.make)(&settings);
        for &kind in KeyKind::ALL {
            let grant = grant(kind, "");
            assert_eq!(provider.unwrap(&grant).is_some(), kind == registration.kind, "{kind}");
        }
    }
}

#[test]
fn a_kind_without_a_provider_is_refused_by_name() {
    let keys = Keys::new(Settings::default());
    for &kind in UNSUPPORTED {
        let problem = block_on(keys.unwrap(&grant(kind, ""))).unwrap_err();
        assert_eq!(problem.code, Code::NoUsableKey);
        assert!(problem.what.contains(&kind.to_string()), "{problem:?}");
    }
}

#[test]
fn equal_grants_are_asked_for_once_also_when_they_fail() {
    let (slow, keys) = slow(64);
    block_on(async {
        let mut tasks = JoinSet::new();
        for index in 0..300 {
            let keys = Arc::clone(&keys);
            tasks.spawn(async move {
                let wrapped = ["one", "two", "bad"][index % 3];
                let answer = keys.unwrap(&grant(KeyKind::Age, wrapped)).await;
                match wrapped {
                    "bad" => assert_eq!(answer.unwrap_err().code, Code::KmsDenied),
                    text => assert_eq!(answer.unwrap().expose(), text.as_bytes()),
                }
            });
        }
        tasks.join_all().await;
    });
    let mut calls = slow.calls.lock().unwrap().clone();
    calls.sort();
    assert_eq!(calls, ["bad", "one", "two"]);
}

#[test]
fn grants_that_differ_in_role_profile_or_context_are_asked_for_each() {
    let (slow, keys) = slow(64);
    let plain = grant(KeyKind::Age, "one");
    let mut context = plain.clone();
    context.key.context.insert("a".into(), "b".into());
    let role = Grant { role: Some("r".into()), ..plain.clone() };
    let profile = Grant { profile: Some("p".into()), ..plain.clone() };
    block_on(async {
        for grant in [&plain, &context, &role, &profile, &plain] {
            keys.unwrap(grant).await.unwrap();
        }
    });
    assert_eq!(slow.calls.lock().unwrap().len(), 4);
}

#[test]
fn no_more_calls_are_in_flight_than_allowed() {
    let (slow, keys) = slow(5);
    block_on(async {
        let mut tasks = JoinSet::new();
        for index in 0..40 {
            let keys = Arc::clone(&keys);
            tasks.spawn(async move { keys.unwrap(&grant(KeyKind::Age, &index.to_string())).await.unwrap() });
        }
        tasks.join_all().await;
    });
    assert_eq!(slow.most.load(Ordering::SeqCst), 5);
    // Those that wait their turn take no memory yet.
    assert_eq!(slow.most_made.load(Ordering::SeqCst), 5);
}

#[test]
fn a_caller_that_gives_up_leaves_the_call_to_the_next() {
    let (slow, keys) = slow(1);
    block_on(async {
        let grant = grant(KeyKind::Age, "one");
        // Polled once and dropped. A time-out would race with the call on a busy machine.
        assert!(keys.unwrap(&grant).now_or_never().is_none());
        assert_eq!(keys.unwrap(&grant).await.unwrap().expose(), b"one");
    });
    assert_eq!(slow.calls.lock().unwrap().len(), 2);
}
