//! Tests of the whole binary: the real kustomize and sops, and a stand-in for AWS that writes down what it is asked.
//!
//! They are one program, so that all of them share one stand-in. A part of them: `cargo test --test it attacks::`.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, and this is no part of the program"
)]

mod architecture;
mod attacks;
mod aws;
mod compatibility;
mod container;
mod credentials;
mod documented;
mod examples;
mod gate;
mod generators;
mod image;
mod keyservice;
mod kustomize;
mod lab;
mod large;
mod listed;
mod patches;
mod people;
mod random;
mod random_files;
mod recipes;
mod rules;
mod support;
mod troubleshooting;
mod wiped;
