//! sops' keyservice: another process that holds the network, the credentials and the private keys, and unwraps data keys
//! over a Unix socket or a TCP port (gRPC; `keyservice/` in sops 3.13).
//!
//! It is no kind of key but a way to all of them: where the config names keyservices, they are asked instead of this
//! program's own providers, and nothing is asked of AWS from here. The services are asked in their order until one
//! unwraps, as sops does; where none does, each is named with its reason.
//!
//! The service unwraps whatever it is asked to. That only the creation rule's keys are asked for, as the rule's role and
//! with its encryption context, is kept on this side, as for any provider: a grant is all that it gets.
//!
//! [`Settings::timeout`] bounds a call to one service, [`Settings::max_concurrency`] the calls under way. A call is not
//! repeated, for the service repeats its own calls to AWS; only a connection that breaks is made anew, once.
//!
//! The plaintext is moved from the answer to [`SecretBytes`] without a copy; HTTP's receive buffers are not wiped.

mod connection;
mod failure;
mod messages;

use std::sync::Arc;

use super::{BoxFuture, Provider, Settings};
use crate::diagnostics::Problem;
use crate::master_key::Grant;
use crate::secret::SecretBytes;
use connection::Service;
use messages::DecryptRequest;

/// The provider for every kind of key. Sets nothing up.
pub(super) fn provider(settings: &Arc<Settings>) -> Box<dyn Provider> {
    let service = |address| Service::new(address, settings.timeout);
    Box::new(Keyservices(settings.keyservices.iter().cloned().map(service).collect()))
}

/// The services, in the order in which they are asked.
struct Keyservices(Vec<Service>);

impl Keyservices {
    async fn decrypt(&self, grant: &Grant) -> Result<SecretBytes, Problem> {
        let request = DecryptRequest::of(grant)?;
        let mut failed = Vec::new();
        for service in &self.0 {
            match service.decrypt(&request).await {
                Ok(plaintext) => return Ok(plaintext),
                Err(failure) => failed.push((service.address(), failure)),
            }
        }
        Err(failure::problem(grant, &failed))
    }
}

impl Provider for Keyservices {
    fn unwrap<'a>(&'a self, grant: &'a Grant) -> Option<BoxFuture<'a, Result<SecretBytes, Problem>>> {
        Some(Box::pin(self.decrypt(grant)))
    }
}

#[cfg(test)]
mod tests;
