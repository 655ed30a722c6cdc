//! Key groups to data key: asks each group's keys in turn, all groups at once, and combines Shamir shares.
//!
//! Calls are made by a thread of their own, [`Recovery`]: they start with the first file that is authorised, while others are
//! read and judged, and what has come is opened while others are under way. Nothing holds up an answer but other answers.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::diagnostics::{Code, Problem};
use crate::keys::Keys;
use crate::master_key::Grant;
use crate::policy::{Authorised, Grants};
use crate::secret::{DataKey, SecretBytes};
use crate::sops::shamir;

/// The data keys of a run.
pub struct Recovery {
    keys: Arc<Keys>,
    /// Who makes the calls, or why nobody can; nobody before the first key is asked for.
    caller: Option<Result<Caller, Problem>>,
}

/// A thread that makes calls until its queue is closed.
struct Caller {
    queue: mpsc::UnboundedSender<Question>,
    thread: JoinHandle<()>,
}

/// What is asked for, and where the answer goes.
struct Question {
    grants: Arc<Grants>,
    answer: oneshot::Sender<Result<DataKey, Problem>>,
}

impl Recovery {
    /// Starts nothing yet.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self { keys: Arc::new(keys), caller: None }
    }

    /// Who unwraps them.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Asks for the data key of something that may be opened. What comes back waits for it, and not on an async runtime.
    ///
    /// Its error is the one refusal where one key was asked; `no-usable-key`, with the reason of each, where several were. A
    /// panic of the caller goes on in who waits.
    pub fn ask(&mut self, authorised: &Authorised) -> impl FnOnce() -> Result<DataKey, Problem> + use<> {
        let (answer, awaited) = oneshot::channel();
        match self.caller.get_or_insert_with(|| Caller::start(Arc::clone(&self.keys))) {
            Ok(caller) => {
                let grants = Arc::clone(authorised.grants());
                // Where the caller is gone, the question comes back and is dropped: whoever waits notices.
                let _ = caller.queue.send(Question { grants, answer });
            }
            Err(problem) => {
                let _ = answer.send(Err(problem.clone()));
            }
        }
        // The panic's message has been printed where it began.
        || awaited.blocking_recv().unwrap_or_else(|_| resume_unwind(Box::new("no answer")))
    }

    /// Nothing else will be asked for.
    #[must_use]
    pub fn close(self) -> Calls {
        // With the queue, the thread ends as soon as all is answered.
        let thread = self.caller.and_then(Result::ok).map(|caller| caller.thread);
        Calls { keys: self.keys, thread }
    }
}

/// The calls that were asked for.
pub struct Calls {
    keys: Arc<Keys>,
    thread: Option<JoinHandle<()>>,
}

impl Calls {
    /// Ends once all is answered, and nothing of a key is left. What is worth knowing about the calls although they succeeded.
    #[must_use]
    pub fn finish(self) -> Vec<Problem> {
        if let Some(thread) = self.thread {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        self.keys.notes()
    }
}

impl Caller {
    fn start(keys: Arc<Keys>) -> Result<Self, Problem> {
        let lacking = |error: std::io::Error| {
            Problem::new(Code::BadInput, "the machine lacks what the process needs to wait for answers")
                .because(error.kind())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(lacking)?;
        let (queue, questions) = mpsc::unbounded_channel();
        let work = move || {
            runtime.block_on(answer(questions, keys));
            // Nobody waits for a name look-up that hangs.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("calls".to_owned()).spawn(work).map_err(lacking)?;
        Ok(Self { queue, thread })
    }
}

/// Answers all questions, each as soon as it can be, until no more will come.
async fn answer(mut questions: mpsc::UnboundedReceiver<Question>, keys: Arc<Keys>) {
    let mut tasks = JoinSet::new();
    while let Some(Question { grants, answer }) = questions.recv().await {
        let keys = Arc::clone(&keys);
        // Where it panics, `answer` is dropped, which whoever waits notices.
        tasks.spawn(async move {
            let _ = answer.send(recover(&grants, &keys).await);
        });
    }
    while tasks.join_next().await.is_some() {}
}

async fn recover(grants: &Grants, keys: &Keys) -> Result<DataKey, Problem> {
    let answers = join_all(grants.groups().iter().map(|group| ask_group(group, keys))).await;
    let mut parts = Vec::with_capacity(answers.len());
    let mut refusals = Vec::new();
    for answer in answers {
        match answer {
            Ok(part) => parts.push(part),
            Err(mut refused) => refusals.append(&mut refused),
        }
    }
    if parts.len() < grants.threshold() {
        return Err(too_few(refusals, grants));
    }
    match (parts.as_slice(), grants.groups().len()) {
        // One group wraps the data key itself; only more than one make SOPS split it.
        ([whole], 1) => DataKey::new(whole).map_err(wrong_length),
        (shares, _) => {
            let shares: Vec<&SecretBytes> = shares.iter().map(AsRef::as_ref).collect();
            DataKey::new(&shamir::combine(&shares)?).map_err(wrong_length)
        }
    }
}

/// What a grant that was refused was for, and why.
type Refusal<'g> = (&'g Grant, Problem);

/// Any key of a group will do: the next is asked when one fails.
async fn ask_group<'g>(group: &'g [Grant], keys: &Keys) -> Result<Arc<SecretBytes>, Vec<Refusal<'g>>> {
    let mut refusals = Vec::new();
    for grant in group {
        match keys.unwrap(grant).await {
            Ok(part) => return Ok(part),
            Err(problem) => refusals.push((grant, problem)),
        }
    }
    Err(refusals)
}

fn too_few(mut refusals: Vec<Refusal<'_>>, grants: &Grants) -> Problem {
    if refusals.len() == 1
        && let Some((_, only)) = refusals.pop()
    {
        return only;
    }
    let what = match grants.groups().len() {
        1 => format!("none of the {} keys could unwrap the data key", refusals.len()),
        groups => format!(
            "too few of the {groups} key groups could unwrap their share of the data key: {} must",
            grants.threshold()
        ),
    };
    let mut problem = Problem::new(Code::NoUsableKey, what);
    for (grant, refusal) in refusals {
        let reasons = [&[refusal.what], refusal.causes.as_slice()].concat().join(": ");
        problem =
            problem.because(format!("{} key {} [{}]: {reasons}", grant.key.kind, grant.key, refusal.code));
        if problem.help.is_none() {
            problem.help = Some(refusal.help.unwrap_or_else(|| refusal.code.help().to_owned()));
        }
    }
    problem
}

fn wrong_length(length: usize) -> Problem {
    Problem::new(Code::NoUsableKey, "the master key unwrapped something that is no data key")
        .because(format!("it has {length} bytes, and a data key has {}", DataKey::LENGTH))
        .help("restore the file's `sops` block from version control")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RolePolicy;
    use crate::keys::Settings;
    use crate::master_key::KeyKind;
    use crate::policy::{Authority, Sealed, Terms, authorise};
    use crate::sops::{Format, SealedFile};

    const SECRET: &str = include_str!("../tests/fixtures/sops/secret.yaml");

    fn authorised() -> Authorised {
        let sealed = Sealed::File(SealedFile::parse(SECRET, Format::Yaml).unwrap());
        let usable = vec![KeyKind::AwsKms];
        let terms = Terms { role: RolePolicy::AsRuled, profiles: false, usable };
        authorise(sealed, Authority::Metadata, &terms).unwrap()
    }

    #[test]
    fn no_thread_is_started_before_a_key_is_asked_for() {
        let mut recovery = Recovery::new(Keys::of(Vec::new(), Settings::default().max_concurrency));
        assert!(recovery.caller.is_none());
        let key = recovery.ask(&authorised());
        assert!(matches!(recovery.caller, Some(Ok(_))));
        assert_eq!(key().unwrap_err().code, Code::NoUsableKey);
        assert!(recovery.close().finish().is_empty());
    }
}
