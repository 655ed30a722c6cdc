//! krm-sops

#![forbid(unsafe_code)]

pub mod config;
pub mod diagnostics;
pub mod edge;
pub mod field_path;
pub mod files;
pub mod keys;
pub mod krm;
pub mod master_key;
pub mod re2;
pub mod rule;
pub mod secret;
pub mod selector;
pub mod sops;
pub mod yaml;
