//! Every kind of diagnostic. Each has a section in `docs/errors.md` and a test that provokes it.

use std::fmt;

/// How bad a diagnostic is, as KRM results name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Decrypted, but not as it should be.
    Warning,
    /// Refuses the build: nothing is decrypted.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $help:literal)+) => {
        /// The kinds of diagnostics. Their names are a contract: scripts and dashboards match them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code, in the order in which a run meets them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name that people see.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What to do, where the problem at hand has no better advice.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

codes! {
    /// stdin is not a resource list or a stream of resources.
    BadInput "bad-input"
        "pass a ResourceList, or the `---` stream that `kustomize build` prints, as UTF-8"
    /// The function config is wrong.
    BadConfig "bad-config"
        "see docs/config.md for every field of the config"
    /// An item has no origin annotation.
    MissingOrigin "missing-origin"
        "add `buildMetadata: [originAnnotations]` to the kustomization.yaml that is being built (the top one, not a base)"
    /// The origin file is not where the annotation says.
    OriginNotFound "origin-not-found"
        "run the function where the repository can be read, or pass -C with the directory being built; in a container, mount the repository"
    /// The origin file is outside the repository root.
    OriginOutsideRoot "origin-outside-root"
        "set spec.root to the directory that holds both the kustomization and the secrets"
    /// The item comes from a remote base.
    RemoteOrigin "remote-origin"
        "vendor the remote base, or allow its repository with spec.allowRemote"
    /// No creation rule covers the origin file.
    NoRule "no-rule"
        "add a creation rule for this path to .sops.yaml"
    /// A creation rule, or the file that holds it, is wrong.
    BadRule "bad-rule"
        "correct the rule; `sops` itself reads the same file"
    /// A Secret that a rule covers is not encrypted.
    NotEncrypted "not-encrypted"
        "encrypt it with `sops encrypt -i FILE`; or set spec.onUnencrypted to warn or ignore"
    /// The `sops` block is wrong.
    BadMetadata "bad-metadata"
        "restore the file's `sops` block from version control, or encrypt the file anew"
    /// The MAC is missing or empty.
    MacMissing "mac-missing"
        "someone removed the file's MAC: restore the file from version control, or encrypt it anew"
    /// A value that the selector covers is not encrypted.
    ValueNotEncrypted "value-not-encrypted"
        "encrypt the value: open the file with `sops edit FILE` and save it, or restore it from version control"
    /// The file is encrypted with a key that the rule does not name.
    KeyNotInRule "key-not-in-rule"
        "if the rule is right, run `sops updatekeys FILE`; if the file is right, correct the rule"
    /// The IAM role could not be assumed.
    RoleDenied "role-denied"
        "let the caller assume the role: sts:AssumeRole in its policy, and the caller in the role's trust policy"
    /// KMS refused to unwrap the data key.
    KmsDenied "kms-denied"
        "allow kms:Decrypt on this key to the role, in its IAM policy and the key's policy"
    /// AWS could not be reached.
    KmsUnreachable "kms-unreachable"
        "check network, DNS, proxy and CA bundle; a container function needs `network: true` and --network"
    /// No master key could unwrap the data key.
    NoUsableKey "no-usable-key"
        "make one of the keys usable for this caller"
    /// An encrypted value is damaged, moved, or of another data key.
    ValueCorrupt "value-corrupt"
        "restore the file from version control; a value must not be copied between files or keys by hand"
    /// The MAC does not fit the file's values.
    MacMismatch "mac-mismatch"
        "the file was changed without sops: restore it from version control, or review the change and encrypt the file anew"
    /// An encrypted value of the item is not in its origin file.
    NotInOrigin "not-in-origin"
        "find the patch or generator that brings the value in; encrypted values must come from the item's own origin file"
    /// The item holds values of more than one data key.
    MixedDataKeys "mixed-data-keys"
        "put the encrypted patch into a file of its own, and list it under `patches`, so that it can be verified, too"
    /// Encrypted values without a `sops` block.
    OrphanCiphertext "orphan-ciphertext"
        "an encrypted `kind: List` loses its `sops` block in kustomize: encrypt each resource in a document of its own; a patch may have removed the block, too"
    /// Encrypted items were left as they are, by `kinds` or by annotation.
    LeftEncrypted "left-encrypted"
        "add the kind to spec.kinds, or remove the item from the build"
    /// A value was decrypted without its origin file's MAC.
    Unverified "unverified"
        "set spec.integrity to verify, and make the origin file readable"
    /// A value of a Secret that is not a string was written as one.
    NotAString "not-a-string"
        "quote the value in the source file, so that it is a string there"
    /// A plain value stands where the selector encrypts: a patch brought it in.
    PlainValue "plain-value"
        "if the value is secret, encrypt it in the origin file instead"
    /// The role was not assumed, because the caller already is it.
    AlreadyInRole "already-in-role"
        "nothing to do; allow the role to assume itself to silence this"
    /// Hashes in names were computed over the ciphertext.
    HashOfCiphertext "hash-of-ciphertext"
        "where names must change with the secret, run krm-sops as a transformer inside kustomize"
    /// A file that a command was asked for cannot be written.
    NotWritten "not-written"
        "name a directory that is there and that you may write into"
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for name in names {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        }
    }
}
