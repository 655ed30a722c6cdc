//! `.sops.yaml` and the function config.
#![no_main]

use krm_sops::config::Config;
use krm_sops::rule::Rules;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(rules) = Rules::parse(text, ".sops.yaml") {
        let _ = rules.for_path("secrets/db.yaml");
    }
    let _ = Config::parse(text);
});
