//! What SOPS writes: encrypted files and blocks, read as sops 3.13 reads them.
//!
//! A [`SealedFile`] is read from text without any key. [`SealedFile::check_structure`] says what can be said before a
//! key is asked for; [`SealedFile::open`] decrypts its leaves with the data key and checks the MAC. Where there is only
//! an item, [`Metadata::of_item`] reads its `sops` block, and [`EncryptedValue`] opens its values one by one. Data keys
//! come from elsewhere; [`shamir::combine`] puts one together where it was shared among key groups.
//!
//! No error holds a value, a MAC or a key, and decrypted bytes are wiped when they are dropped.

mod blocks;
mod detect;
mod dotenv;
mod file;
mod flat;
mod ini;
mod json;
mod leaf;
mod leaves;
mod mac;
mod metadata;
mod number;
pub mod print;
mod scalar;
pub mod shamir;
mod timestamp;
mod tree;
mod value;
mod weak;

pub use detect::{Ciphertext, detect, is_dotenv_metadata};
pub use file::{Format, Revealed, SealedFile, Unsealed};
pub use leaf::{Leaf, LeafContent};
pub use metadata::{Metadata, SealedKey};
pub use scalar::{Rendered, Scalar, Unreadable, yaml_of};
pub use timestamp::Timestamp;
pub use value::{Cipher, EncryptedValue, Mark};
