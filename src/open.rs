//! (Authorised, data key) → [`Opened`]: the values that may be written, each vouched for.
//!
//! Kustomize sorts keys, drops comments and patches items before a transformer sees them, so the MAC says nothing about
//! an item. It is checked over the origin file, and a value of an item is accepted only if that file holds the very
//! same ciphertext at the very same path. An [`Opened`] cannot be made anywhere else, nor an [`OpenedValue`].

use std::collections::{BTreeSet, HashMap};

use crate::config::Integrity;
use crate::diagnostics::{Code, Problem};
use crate::field_path::FieldPath;
use crate::policy::{Authorised, Sealed};
use crate::secret::{DataKey, Plaintext};
use crate::sops::{EncryptedValue, LeafContent, MacVerdict, OpenedLeaf, SealedFile};
