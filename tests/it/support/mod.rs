//! What the tests stand on: the real kustomize and sops, a stand-in for AWS, temporary repositories, and the oracle.
//!
//! A test makes a [`Lab`], from it keys, roles and a [`Repo`], and builds the repository in one or all [`Mode`]s;
//! [`Platform`] is the repository that most tests start from. A tool that is missing fails the test and says `make tools`.

pub(crate) mod aws;
pub(crate) mod build;
pub(crate) mod canary;
pub(crate) mod docker;
pub(crate) mod expect;
pub(crate) mod keyservice;
pub(crate) mod metadata;
pub(crate) mod platform;
pub(crate) mod repo;
pub(crate) mod run;

pub(crate) use aws::{Call, Fault, Lab};
pub(crate) use build::Mode;
pub(crate) use docker::Docker;
pub(crate) use keyservice::Keyservice;
pub(crate) use platform::{EAST, Platform, WEST};
pub(crate) use repo::Repo;
pub(crate) use run::Finished;
