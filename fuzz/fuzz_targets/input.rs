//! Resources on stdin: read them, take every `sops` block out, and what is left must be readable again.
#![no_main]

use krm_sops::krm::{Edits, Input};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(input) = Input::parse(text) else { return };
    let mut edits = Edits::new();
    for item in &input.items {
        if edits.remove_entry(&item.item(), "sops").is_err() {
            return;
        }
    }
    let output = edits.apply(text);
    let again = Input::parse(&output).expect("what was read is readable without its sops blocks");
    assert_eq!(again.items.len(), input.items.len());
    assert!(again.items.iter().all(|item| item.item().sops().is_none()));
});
