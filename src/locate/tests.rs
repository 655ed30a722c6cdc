use super::*;
use crate::files::memory::Memory;

const RULES: &str = "creation_rules:\n- path_regex: ^secrets/\n  kms: a\n";

fn function(directory: &str) -> Base {
    Base::Function { directory: directory.into() }
}

fn config_at(path: &str) -> Config {
    let mut config = Config::default();
    config.identity.origin = Some(format!("path: {path}\n"));
    config
}

fn built(path: &str) -> Origin {
    Origin::Built(path.into())
}

fn repository() -> Memory {
    Memory::new([
        ("/repo/.git/HEAD", ""),
        ("/repo/.sops.yaml", RULES),
        ("/repo/secrets/db.yaml", ""),
        ("/repo/overlay/d.yaml", ""),
        ("/repo/overlay/local.yaml", ""),
        ("/repo/overlay/conf/d.yaml", ""),
        ("/repo/transformers/d.yaml", ""),
        ("/elsewhere/db.yaml", ""),
    ])
}

/// Where a config with this origin, of a transformer that is declared in C, makes us find an item's file.
fn found(c: &str, config: &str, item: &str) -> Result<String, Problem> {
    let files = repository();
    let locator = Locator::new(&files, &function(c), &config_at(config))?;
    Ok(locator.origin_file(&built(item))?.shown)
}

#[test]
fn wherever_the_transformer_is_declared() {
    for (c, config, item) in [
        ("/repo/overlay", "d.yaml", "../secrets/db.yaml"),
        ("/repo/overlay", "conf/d.yaml", "../secrets/db.yaml"),
        ("/repo/overlay", "../transformers/d.yaml", "../secrets/db.yaml"),
        // In a base, with something else being built.
        ("/repo/overlay", "../../overlay/d.yaml", "../../secrets/db.yaml"),
        ("/repo/overlay", "../../overlay/conf/d.yaml", "../../secrets/db.yaml"),
        ("/repo/overlay", "overlay/d.yaml", "secrets/db.yaml"),
    ] {
        assert_eq!(found(c, config, item).as_deref(), Ok("secrets/db.yaml"), "{c} {config} {item}");
    }
}

#[test]
fn a_name_that_nobody_tells_is_not_guessed() {
    let problem = found("/repo/overlay", "../../overlay/d.yaml", "local.yaml").unwrap_err();
    assert_eq!(problem.code, Code::OriginNotFound);
}

#[test]
fn what_was_tried_is_told() {
    let problem = found("/repo/overlay", "d.yaml", "../secrets/none.yaml").unwrap_err();
    assert_eq!(problem.code, Code::OriginNotFound);
    assert_eq!(problem.causes, ["tried secrets/none.yaml"]);
}

#[test]
fn nothing_outside_the_root_is_read() {
    let problem = found("/repo/overlay", "d.yaml", "../../elsewhere/db.yaml").unwrap_err();
    assert_eq!(problem.code, Code::OriginOutsideRoot);
    let files = repository().with_link("/repo/secrets/link.yaml", "/elsewhere/db.yaml");
    let locator = Locator::new(&files, &function("/repo/overlay"), &config_at("d.yaml")).unwrap();
    let problem = locator.origin_file(&built("../secrets/link.yaml")).unwrap_err();
    assert_eq!(problem.code, Code::OriginOutsideRoot);
}

#[test]
fn a_sops_yaml_that_leads_out_of_the_root_is_not_read() {
    let files = Memory::new([("/repo/.git/HEAD", ""), ("/repo/a.yaml", ""), ("/elsewhere/rules", RULES)])
        .with_link("/repo/.sops.yaml", "/elsewhere/rules");
    let mut locator = Locator::new(&files, &function("/repo"), &Config::default()).unwrap();
    let located = locator.origin_file(&built("a.yaml")).unwrap();
    assert_eq!(locator.rules_for(&located).unwrap_err().code, Code::OriginOutsideRoot);
}

#[test]
fn the_nearest_sops_yaml_counts_and_the_search_ends_at_the_root() {
    let files = Memory::new([
        ("/.sops.yaml", RULES),
        ("/repo/.git/HEAD", ""),
        ("/repo/a/.sops.yaml", RULES),
        ("/repo/a/secrets/db.yaml", ""),
        ("/repo/b/db.yaml", ""),
        ("/repo/.sops.yml", ""),
    ]);
    let mut locator = Locator::new(&files, &function("/repo"), &Config::default()).unwrap();
    let located = locator.origin_file(&built("a/secrets/db.yaml")).unwrap();
    let ruled = locator.rules_for(&located).unwrap();
    assert_eq!((ruled.rules.source(), ruled.path.as_str()), ("a/.sops.yaml", "secrets/db.yaml"));
    let located = locator.origin_file(&built("b/db.yaml")).unwrap();
    let problem = locator.rules_for(&located).unwrap_err();
    assert_eq!(problem.code, Code::NoRule);
    assert_eq!(problem.causes, [".sops.yml has a name that sops does not read"]);
}

#[test]
fn inline_rules_see_the_path_from_the_root() {
    let files = repository();
    let config = Config::from_settings([("creationRules", "[{path_regex: ^secrets/, kms: a}]")]).unwrap();
    let mut locator = Locator::new(&files, &function("/repo/overlay"), &config).unwrap();
    let located = locator.origin_file(&built("../secrets/db.yaml")).unwrap();
    let ruled = locator.rules_for(&located).unwrap();
    assert!(ruled.rules.for_path(&ruled.path).is_some());
    let ruled = locator.rules_without_file(&built("secrets/away.yaml")).unwrap();
    assert!(ruled.rules.for_path(&ruled.path).is_some());
}

#[test]
fn the_config_may_name_the_rules_and_the_root() {
    let files = repository();
    let mut config = config_at("d.yaml");
    config.sops_config = Some("../.sops.yaml".into());
    config.root = Some("..".into());
    let base = Base::Built { directory: "/repo/overlay".into(), config_directory: "/repo/overlay".into() };
    let files = files
        .with_link("/repo/overlay/..", "/repo")
        .with_link("/repo/overlay/../.sops.yaml", "/repo/.sops.yaml");
    let mut locator = Locator::new(&files, &base, &config).unwrap();
    let located = locator.origin_file(&built("../secrets/db.yaml")).unwrap();
    assert_eq!(locator.rules_for(&located).unwrap().path, "secrets/db.yaml");
    config.sops_config = Some("none".into());
    let mut locator = Locator::new(&files, &base, &config).unwrap();
    assert_eq!(locator.rules_for(&located).unwrap_err().code, Code::NoRule);
}

#[test]
fn other_orchestrators_name_paths_from_the_working_directory() {
    let files = repository();
    let locator = Locator::new(&files, &function("/repo"), &Config::default()).unwrap();
    assert_eq!(
        locator.origin_file(&Origin::Working("secrets/db.yaml".into())).unwrap().shown,
        "secrets/db.yaml"
    );
}
