//! Where a value stands in a document: the keys and list indices that lead to it.

use std::fmt;

/// One step down a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into a mapping, by key.
    Key(String),
    /// Into a list, by zero-based index.
    Index(usize),
}

/// The steps from the root of a document to a value. Displays as `data.password` or `spec.users[0].token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldPath(Vec<Step>);

impl FieldPath {
    /// The root of a document.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// These steps.
    #[must_use]
    pub fn from_steps(steps: &[Step]) -> Self {
        Self(steps.to_vec())
    }

    /// Steps down. Undone by [`FieldPath::pop`], so that one `FieldPath` serves a whole walk.
    pub fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// Steps back up.
    pub fn pop(&mut self) {
        self.0.pop();
    }

    /// The steps, from the root.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The keys of the path, without list indices: what SOPS' selectors look at.
    pub fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// The additional authenticated data that SOPS binds a value's ciphertext to: each key followed by `:`.
    /// List indices are no part of it (source: `Tree.Encrypt` in sops 3.13's `sops.go`).
    #[must_use]
    pub fn aad(&self) -> String {
        let mut aad = String::with_capacity(self.keys().map(|key| key.len() + 1).sum());
        for key in self.keys() {
            aad.push_str(key);
            aad.push(':');
        }
        // Joining no key at all still leaves the trailing colon.
        if aad.is_empty() {
            aad.push(':');
        }
        aad
    }
}

impl<const N: usize> From<[&str; N]> for FieldPath {
    fn from(keys: [&str; N]) -> Self {
        Self(keys.into_iter().map(|key| Step::Key(key.to_owned())).collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if key.is_empty() || key.contains(['.', '[', ']', '"']) => {
                    write!(f, "[{key:?}]")?;
                }
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aad_leaves_list_indices_out() {
        let mut path = FieldPath::from(["spec", "users"]);
        path.push(Step::Index(3));
        path.push(Step::Key("token".into()));
        assert_eq!(path.aad(), "spec:users:token:");
        assert_eq!(path.to_string(), "spec.users[3].token");
    }

    #[test]
    fn keys_that_hold_dots_are_bracketed() {
        assert_eq!(FieldPath::from(["data", "tls.crt"]).to_string(), "data[\"tls.crt\"]");
    }

    #[test]
    fn the_root_has_the_aad_of_joining_nothing() {
        assert_eq!(FieldPath::root().aad(), ":");
    }
}
