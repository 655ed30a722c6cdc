//! Tests of the whole binary: the real kustomize and sops, and a stand-in for AWS that writes down what it is asked.
//!
//! They are one program, so that all of them share one stand-in. A part of them: `cargo test --test it attacks::`.

mod attacks;
mod aws;
mod kustomize;
mod lab;
mod rules;
mod support;
