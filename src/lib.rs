//! krm-sops

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
pub mod locate;
pub mod master_key;
pub mod open;
pub mod origin;
pub mod policy;
pub mod re2;
pub mod recover;
pub mod rule;
pub mod run;
pub mod secret;
pub mod selector;
pub mod sops;
pub mod source;
pub mod write;
pub mod yaml;
