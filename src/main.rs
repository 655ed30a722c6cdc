//! krm-sops

fn main() {}
