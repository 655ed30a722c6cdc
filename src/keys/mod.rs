//! From a wrapped data key to its bytes, by whichever service wrapped it.
//!
//! [`Keys`] is what the rest of the program sees: it finds the provider of a [`Grant`], asks it once a run for each
//! distinct grant, and keeps the calls in flight, over all providers, at or below [`Settings::max_concurrency`].
//!
//! A provider is one file beside this one and one line in `REGISTRY`. It knows grants and its own service, and
//! nothing of items, rules, YAML or its siblings: whether a grant may be used at all was decided by whoever made it.
//! The next key after one that failed, key groups and Shamir's shares are not its business either.
//!
//! A keyservice is no kind of key but another way to all of them: where one is named, it takes the place of the registry.
//!
//! Nothing is set up before the first grant of a provider: no credentials are read, no roots are loaded, no name is
//! resolved for a build that has nothing to decrypt.

mod aws_kms;
mod keyservice;
mod once;

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::diagnostics::{Code, Problem};
use crate::master_key::{Grant, KeyKind};
use crate::secret::SecretBytes;
use crate::service_address::ServiceAddress;
use once::OnceMap;

/// A future on the heap, as a trait object has to return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the providers are told. The edge reads what stands in the environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most calls in flight at once, over all providers.
    pub max_concurrency: NonZeroUsize,
    /// The bound of one call to a service, its retries included.
    pub timeout: Duration,
    /// The keyservices that are asked instead of the providers here, in this order. None: the providers.
    pub keyservices: Vec<ServiceAddress>,
    /// The name of the machine or pod, for the sessions that an auditor sees. Empty where it is not known.
    pub host: String,
    /// The content of the file that `AWS_CA_BUNDLE` names: PEM. As in other AWS tools, these roots replace the system's.
    pub ca_bundle: Option<Vec<u8>>,
}

impl Default for Settings {
    /// The defaults of the config (`spec.aws`, `spec.keyservices`).
    fn default() -> Self {
        Self {
            max_concurrency: NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN),
            timeout: Duration::from_secs(30),
            keyservices: Vec::new(),
            host: String::new(),
            ca_bundle: None,
        }
    }
}

/// A service that unwraps data keys.
pub trait Provider: Send + Sync {
    /// Unwraps the grant's data key. `None`: this provider is not the one for it.
    ///
    /// It must touch neither network nor file before the future is polled.
    fn unwrap<'a>(&'a self, grant: &'a Grant) -> Option<BoxFuture<'a, Result<SecretBytes, Problem>>>;

    /// What is worth knowing about the calls so far although they succeeded. Each is said once, in a stable order.
    fn notes(&self) -> Vec<Problem> {
        Vec::new()
    }
}

/// A provider's entry in the registry.
struct Registration {
    /// The kind of key that it is for.
    kind: KeyKind,
    /// Makes it, without setting anything up.
    make: fn(&Arc<Settings>) -> Box<dyn Provider>,
}

/// Every provider.
const REGISTRY: &[Registration] = &[Registration { kind: KeyKind::AwsKms, make: aws_kms::provider }];

/// The providers of a run, and what they have unwrapped so far.
pub struct Keys {
    providers: Vec<Box<dyn Provider>>,
    in_flight: Semaphore,
    /// Whether other services unwrap for us, which know every kind of key.
    by_service: bool,
    unwrapped: OnceMap<Grant, Result<Arc<SecretBytes>, Problem>>,
}

impl Keys {
    /// Lists the providers; sets none of them up.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let by_service = !settings.keyservices.is_empty();
        let providers = if by_service {
            vec![keyservice::provider(&settings)]
        } else {
            REGISTRY.iter().map(|registration| (registration.make)(&settings)).collect()
        };
        Self { by_service, ..Self::of(providers, settings.max_concurrency) }
    }

    /// These providers, and no others.
    pub(crate) fn of(providers: Vec<Box<dyn Provider>>, max_concurrency: NonZeroUsize) -> Self {
        let permits = max_concurrency.get().min(Semaphore::MAX_PERMITS);
        Self {
            providers,
            in_flight: Semaphore::new(permits),
            by_service: false,
            unwrapped: OnceMap::default(),
        }
    }

    /// Whether keys of this kind can be unwrapped in this run.
    #[must_use]
    pub fn can_unwrap(&self, kind: KeyKind) -> bool {
        self.by_service || Self::supports(kind)
    }

    /// Whether there is a provider here for this kind of key.
    #[must_use]
    pub fn supports(kind: KeyKind) -> bool {
        REGISTRY.iter().any(|registration| registration.kind == kind)
    }

    /// The bytes that the grant's wrapped data key holds: a data key, or a share of one.
    ///
    /// Equal grants are asked for once a run, and callers that come meanwhile wait for the same answer. Runs within a
    /// tokio runtime with time and I/O; one runtime for all calls.
    ///
    /// # Errors
    /// `no-usable-key` where no provider is for this kind of key, else what the provider says, such as `role-denied`,
    /// `kms-denied`, `kms-unreachable` and `bad-metadata`. A grant that failed fails the same way when asked again.
    pub async fn unwrap(&self, grant: &Grant) -> Result<Arc<SecretBytes>, Problem> {
        self.unwrapped
            .get_or_make(grant, || async {
                // Fails only once the semaphore is closed, which nobody does. A call is large, and is not made before its turn.
                let _permit = self.in_flight.acquire().await;
                let call = self.providers.iter().find_map(|provider| provider.unwrap(grant));
                call.ok_or_else(|| unsupported(grant))?.await.map(Arc::new)
            })
            .await
    }

    /// What is worth knowing about the calls so far although they succeeded, such as `already-in-role`.
    #[must_use]
    pub fn notes(&self) -> Vec<Problem> {
        self.providers.iter().flat_map(|provider| provider.notes()).collect()
    }
}

/// Why a grant that no provider takes cannot be unwrapped.
fn unsupported(grant: &Grant) -> Problem {
    Problem::new(Code::NoUsableKey, format!("the {} key {} cannot be used", grant.key.kind, grant.key))
        .because(format!("krm-sops has no provider for {}", grant.key.kind))
        .help("add a key of AWS KMS to the creation rule and run `sops updatekeys FILE`, or let a keyservice unwrap it (spec.keyservices)")
}

#[cfg(test)]
mod tests;
