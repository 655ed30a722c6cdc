//! krm-sops

#![forbid(unsafe_code)]

pub mod diagnostics;
pub mod field_path;
pub mod files;
pub mod master_key;
pub mod secret;
pub mod selector;
pub mod sops;
pub mod yaml;
