//! krm-sops decrypts SOPS-encrypted Secrets inside `kustomize build`.
//!
//! # The flow
//!
//! [`run`] is the whole of it, as one function. Text comes in from [`edge`]; [`krm`] finds the items and the bytes that they
//! stand on, behind which [`listed`] puts the resources of files that the config lists; [`source`] tells an item's encrypted parts (its own values, those of patches, whole files, lines of one), and
//! finds the file of each by [`origin`], [`locate`] and [`kustomization`]; [`rule`] finds the creation rule over that file;
//! [`sops`] reads the file without any key; [`policy`] decides, and makes [`policy::Authorised`]; [`recover`] asks [`keys`] for
//! the data key; [`mod@open`] decrypts the file, checks its MAC, and makes [`open::Opened`]; [`write`](mod@write) puts what was
//! opened in the place of each ciphertext of the item, and [`unpack`] where that is a whole file; nothing else changes a byte.
//!
//! # Whom it trusts
//!
//! The creation rules and the function config, which code review has to protect; AWS, or the keyservice that the config
//! names; the process's own memory and environment. It does not trust encrypted files, their `sops` blocks, the resources on
//! stdin, or their annotations: each of them is a claim by whoever could write it. `docs/security.md` has the table of attacks
//! and of what stops each.
//!
//! # What is refused
//!
//! An item without an origin file, or whose file is elsewhere than inside the repository root. A file that no creation
//! rule covers, or rules of which any is broken. A file with a master key that the rule does not name. A file without a
//! MAC, with a wrong one, or with a plain value where the selector encrypts. A value of an item that neither its file nor a
//! verified patch file holds, and a file in an item that differs from the one on disk. A Secret that a rule covers and nobody
//! encrypted. One refusal is enough, and then nothing at all is decrypted: all items come back as they came, and the exit
//! status is 1.
//!
//! # What carries the promises
//!
//! Types. The writer takes only an [`open::OpenedValue`], which only [`open::Opened`] gives out, which only
//! [`open::open`] makes, from a [`policy::Authorised`], which only [`policy::authorise`] makes. Secrets live in the types of
//! [`secret`], which are wiped when they are dropped, cannot be cloned, and show nothing in `Debug`. A
//! [`diagnostics::Problem`] is made of paths, kinds and names, and no module that sees plaintext puts an inner error into one.

#![forbid(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod config;
pub mod diagnostics;
pub mod edge;
pub mod field_path;
pub mod files;
pub mod keys;
pub mod krm;
pub mod kustomization;
pub mod listed;
pub mod locate;
pub mod master_key;
pub mod open;
pub mod origin;
pub mod parallel;
pub mod policy;
pub mod re2;
pub mod recover;
pub mod rule;
pub mod run;
pub mod secret;
pub mod selector;
pub mod service_address;
pub mod sops;
pub mod source;
pub mod unpack;
pub mod write;
pub mod yaml;
