//! SOPS files.
mod mac;
mod number;
mod scalar;
pub mod shamir;
mod timestamp;
mod value;
