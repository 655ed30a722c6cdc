//! AWS KMS.
//!
//! # What is called
//!
//! | call | how often |
//! |---|---|
//! | credentials of the SDK's chain, or of a profile | once for each profile |
//! | `sts:AssumeRole`, in the key's region | once for each (role, region, profile), also when it fails |
//! | `sts:GetCallerIdentity` | once for each profile, and only after a denied `AssumeRole` |
//! | `kms:Decrypt`, in the key's region | once for each grant |
//!
//! The region is the ARN's; `KeyId` is the ARN, so KMS refuses what another key wrapped; the encryption context is the
//! grant's, and none is sent where it is empty. Each is what sops does (`kms/keysource.go` in 3.13).
//!
//! A role's session is named `krm-sops@HOST` ([`Settings::host`]). Where `AssumeRole` is denied and the caller turns out
//! to be in that role already (since 2022 a role does not trust itself), its own credentials serve, with a note.
//!
//! # Retries and time
//!
//! The SDK's standard mode with five attempts, for throttling, trouble of the service's own, and connections that
//! break; the pauses between them add up to some two seconds. [`Settings::timeout`] bounds a call with all of them.
//! What each failure is called: see [`problems`].
//!
//! # Secrets
//!
//! The plaintext is moved from the SDK's answer to [`SecretBytes`] without a copy. The answer's own buffers (TLS, HTTP,
//! JSON) are the SDK's, which does not wipe them. Credentials stay in the SDK's types, which wipe themselves.

mod arn;
mod caller;
mod dns;
mod endpoint;
mod failure;
mod patience;
mod problems;
mod roots;
mod session;
mod transport;
mod turn;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_sdk_kms::primitives::Blob;

use super::once::OnceMap;
use super::{BoxFuture, Provider, Settings};
use crate::diagnostics::{Code, Problem};
use crate::master_key::{Grant, KeyKind};
use crate::secret::SecretBytes;
use caller::Caller;
use failure::Failure;
use session::{Identity, Opening, Session};
use transport::{Proxies, Transport};
use turn::Turns;

/// The registry's constructor. Sets nothing up.
pub(super) fn provider(settings: &Arc<Settings>) -> Box<dyn Provider> {
    Box::new(AwsKms::new(Arc::clone(settings)))
}

/// The provider for [`KeyKind::AwsKms`].
struct AwsKms {
    settings: Arc<Settings>,
    transport: OnceLock<Transport>,
    turns: Turns,
    callers: OnceMap<Option<String>, Result<Caller, Problem>>,
    sessions: OnceMap<Identity, Result<Session, Problem>>,
    notes: Mutex<Vec<Problem>>,
}

impl AwsKms {
    fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            transport: OnceLock::new(),
            turns: Turns::default(),
            callers: OnceMap::default(),
            sessions: OnceMap::default(),
            notes: Mutex::default(),
        }
    }

    fn transport(&self) -> &Transport {
        self.transport.get_or_init(|| Transport::new(Proxies::from_env(), self.settings.ca_bundle.clone()))
    }

    async fn decrypt(&self, grant: &Grant) -> Result<SecretBytes, Problem> {
        let region = arn::region_of_key(&grant.key.id).ok_or_else(|| not_an_arn(grant))?;
        let wrapped = unarmour(grant)?;
        let session = self.session(grant, region).await?;
        let context = Some(&grant.key.context).filter(|context| !context.is_empty());
        let request = session
            .kms
            .decrypt()
            .key_id(&grant.key.id)
            .ciphertext_blob(Blob::new(wrapped))
            .set_encryption_context(context.map(|context| context.clone().into_iter().collect()));
        let (endpoint, timeout) = (&session.endpoint, self.settings.timeout);
        let answer = patience::outlast(timeout, || {
            let call = Box::pin(request.clone().send());
            async move { self.turns.take(call).await.map_err(|error| Failure::of(&error, endpoint, timeout)) }
        });
        let output = answer.await.map_err(|failure| problems::decrypt(failure, grant, &session.endpoint))?;
        match output.plaintext.map(Blob::into_inner) {
            Some(plaintext) if !plaintext.is_empty() => Ok(SecretBytes::new(plaintext)),
            _ => Err(problems::no_data_key(grant, &session.endpoint)),
        }
    }

    /// The session for the grant's role and profile in the region.
    async fn session(&self, grant: &Grant, region: &str) -> Result<Session, Problem> {
        let identity =
            Identity { role: grant.role.clone(), region: region.to_owned(), profile: grant.profile.clone() };
        self.sessions.get_or_make(&identity, || self.open(&identity)).await
    }

    async fn open(&self, identity: &Identity) -> Result<Session, Problem> {
        let transport = self.transport();
        let timeout = self.settings.timeout;
        let load = || {
            let http = transport.http.clone();
            Caller::load(identity.profile.as_deref(), &identity.region, http, timeout)
        };
        let caller = self.callers.get_or_make(&identity.profile, load).await?;
        let name = session::name(&self.settings.host);
        let opening = Opening { name: &name, timeout, proxies: &transport.proxies };
        let session = Session::open(&caller, identity, &opening).await?;
        self.note(session.note.as_ref());
        Ok(session)
    }

    /// Keeps a note that was not made yet, as for the same role in another region.
    fn note(&self, note: Option<&Problem>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(note) = note.filter(|note| !notes.contains(note)) {
            notes.push(note.clone());
        }
    }
}

impl Provider for AwsKms {
    fn unwrap<'a>(&'a self, grant: &'a Grant) -> Option<BoxFuture<'a, Result<SecretBytes, Problem>>> {
        (grant.key.kind == KeyKind::AwsKms).then(|| Box::pin(self.decrypt(grant)) as BoxFuture<'a, _>)
    }

    fn notes(&self) -> Vec<Problem> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Roles are assumed at the same time: their order is an accident.
        notes.sort_by(|a, b| a.what.cmp(&b.what));
        notes
    }
}

/// The bytes of the wrapped data key. As in Go's decoder, line breaks do not count.
fn unarmour(grant: &Grant) -> Result<Vec<u8>, Problem> {
    let text: String = grant.wrapped.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match base64_simd::STANDARD.decode_to_vec(text) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        Ok(_) => Err(bad_wrapped(grant, "it is empty")),
        Err(_) => Err(bad_wrapped(grant, "it is not base64")),
    }
}

fn bad_wrapped(grant: &Grant, cause: &str) -> Problem {
    let what = format!("the `sops` block holds no usable data key for {}", grant.key);
    Problem::new(Code::BadMetadata, what).because(cause)
}

fn not_an_arn(grant: &Grant) -> Problem {
    Problem::new(Code::BadMetadata, format!("{} is not the ARN of a KMS key", grant.key))
        .because(
            "it does not read arn:aws:kms:REGION:ACCOUNT:key/ID or arn:aws:kms:REGION:ACCOUNT:alias/NAME",
        )
        .help("correct the ARN in the creation rule and run `sops updatekeys FILE`")
}

#[cfg(test)]
mod tests;
