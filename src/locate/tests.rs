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

/// A locator for a config, where no item has to decide anything.
fn locator<'f>(files: &'f Memory, base: &Base, config: &Config) -> Locator<'f> {
    Locator::new(files, base, config, []).unwrap()
}

fn repository() -> Memory {
    Memory::new([
        ("/repo/.git/HEAD", ""),
        ("/repo/.sops.yaml", RULES),
        ("/repo/secrets/db.yaml", ""),
        ("/repo/overlay/d.yaml", ""),
        ("/repo/overlay/local.yaml", ""),
        ("/elsewhere/db.yaml", ""),
    ])
}

fn shown(files: &Memory, c: &str, config: &str, items: &[&str]) -> Vec<Result<String, Code>> {
    let origins = items.iter().map(|item| built(item));
    let locator = Locator::new(files, &function(c), &config_at(config), origins).unwrap();
    let shown = |item: &&str| locator.origin_file(&built(item)).map(|located| located.shown);
    items.iter().map(|item| shown(item).map_err(|problem| problem.code)).collect()
}

/// Where a transformer is declared: the files of the tree; C; the config's origin; the items' origins; the items' files.
type Layout = (
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [Result<&'static str, Code>],
);

/// Each was recorded from kustomize 5.8.2.
const LAYOUTS: &[Layout] = &[
    // At the top: beside the kustomization, in a folder, in a transformer directory below and beside, nested, inline.
    (&["/r/s", "/r/d"], "/r", "d", &["s"], &[Ok("r/s")]),
    (&["/r/s", "/r/conf/d"], "/r", "conf/d", &["s"], &[Ok("r/s")]),
    (&["/r/s", "/r/t/d"], "/r", "t/d", &["s"], &[Ok("r/s")]),
    (&["/sec/s", "/t/d", "/o/k"], "/o", "../t/d", &["../sec/s"], &[Ok("sec/s")]),
    (&["/r/s", "/r/t/u/d"], "/r", "t/u/d", &["s"], &[Ok("r/s")]),
    (&["/r/s", "/r/k", "/k"], "/r", "k", &["s"], &[Ok("r/s")]),
    // In a base: beside what is built, below it, of a base, inline.
    (&["/base/s", "/base/d"], "/base", "../base/d", &["../base/s"], &[Ok("base/s")]),
    (&["/base/s", "/base/d"], "/base", "base/d", &["base/s"], &[Ok("base/s")]),
    (&["/b/c/s", "/b/c/d", "/q"], "/b/c", "../b/c/d", &["../b/c/s", "../q"], &[Ok("b/c/s"), Ok("q")]),
    (&["/base/s", "/base/k", "/k", "/top/k"], "/base", "../base/k", &["../base/s"], &[Ok("base/s")]),
    // In a base, by a transformer directory outside of it.
    (&["/base/s", "/t/d"], "/base", "t/d", &["base/s"], &[Ok("base/s")]),
    (&["/x/base/s", "/x/t/d"], "/x/base", "../../t/d", &["../../base/s"], &[Ok("x/base/s")]),
    // In a component: below what is built; beside it, where one name is hidden; by a file outside of it.
    (&["/s", "/comp/d"], "/comp", "comp/d", &["s"], &[Ok("s")]),
    (
        &["/o/s", "/base/b", "/comp/d"],
        "/comp",
        "../comp/d",
        &["s", "../base/b"],
        &[Err(Code::OriginNotFound), Ok("base/b")],
    ),
    (&["/o/s", "/d", "/comp/k"], "/comp", "../d", &["s"], &[Err(Code::OriginNotFound)]),
    // Absolute paths of resources, which kustomize spoils in a base.
    (&["/q/s", "/r/d"], "/r", "d", &["/q/s"], &[Ok("q/s")]),
    (&["/q/s", "/base/d"], "/base", "../base/d", &["../base/q/s"], &[Err(Code::OriginNotFound)]),
];

#[test]
fn wherever_the_transformer_is_declared() {
    for (tree, c, config, items, expected) in LAYOUTS {
        let tree = tree.iter().copied().chain(["/.git/HEAD"]).map(|file| (file, ""));
        let files = Memory::of(tree);
        let expected: Vec<_> = expected.iter().map(|one| one.map(str::to_owned)).collect();
        assert_eq!(shown(&files, c, config, items), expected, "{c} {config} {items:?}");
    }
}

#[test]
fn symbolic_links_mean_what_kustomize_means() {
    let files = || {
        Memory::new([
            ("/r/.git/x", ""),
            ("/r/real/base/d", ""),
            ("/r/real/base/s", ""),
            ("/r/real/q", ""),
            ("/q", ""),
        ])
        .with_link("/r/link", "/r/real/base")
    };
    // A base behind a link: C is resolved, annotations are not. Recorded from kustomize 5.8.2.
    assert_eq!(
        shown(&files(), "/r/real/base", "../link/d", &["../link/s", "../q"]),
        [Ok("real/base/s".into()), Ok("real/q".into())]
    );
    // What is built lies behind a link, and is resolved before anything is joined to it.
    let base = Base::Built { directory: "/r/link".into(), config_directory: "/r/link".into() };
    let files = files();
    assert_eq!(
        locator(&files, &base, &Config::default()).origin_file(&built("../q")).unwrap().shown,
        "real/q"
    );
}

#[test]
fn the_items_decide_between_places_of_the_config() {
    let files = Memory::new([("/.git/x", ""), ("/a/b/d", ""), ("/a/d", ""), ("/a/s", ""), ("/a/b/q", "")]);
    for (items, expected) in [
        // C is being built, or names `../d`.
        (&["q"][..], "a/b/q"),
        (&["s"], "a/s"),
        (&["s", "b/q"], "a/s"),
    ] {
        assert_eq!(shown(&files, "/a/b", "d", items)[0].as_deref(), Ok(expected), "{items:?}");
    }
}

#[test]
fn what_was_tried_is_told() {
    let files = repository();
    let problem = |config: &str, item: &str| {
        locator(&files, &function("/repo/overlay"), &config_at(config)).origin_file(&built(item)).unwrap_err()
    };
    let missing = problem("d.yaml", "../secrets/none.yaml");
    assert_eq!(
        (missing.code, missing.what.as_str()),
        (Code::OriginNotFound, "the origin file ../secrets/none.yaml is not there")
    );
    assert_eq!(missing.causes, ["tried secrets/none.yaml"]);
    let directory = problem("d.yaml", "../secrets");
    assert_eq!(directory.causes, ["tried secrets", "it is not a regular file"]);
    let lost = problem("lost.yaml", "none.yaml");
    assert_eq!(lost.causes[1], "the config's own file, lost.yaml, is not there, either");
    let hidden = problem("../../overlay/d.yaml", "local.yaml");
    assert!(hidden.causes[0].contains("whose name kustomize does not tell"), "{hidden:?}");
}

#[test]
fn nothing_outside_the_root_is_read() {
    let files = repository()
        .with_link("/repo/secrets/link.yaml", "/elsewhere/db.yaml")
        .with_link("/repo/there", "/elsewhere");
    let locator = locator(&files, &function("/repo/overlay"), &config_at("d.yaml"));
    for path in ["../../elsewhere/db.yaml", "../secrets/link.yaml", "../there/db.yaml", "/elsewhere/db.yaml"]
    {
        let problem = locator.origin_file(&built(path)).unwrap_err();
        assert_eq!(problem.code, Code::OriginOutsideRoot, "{path}");
        assert_eq!(problem.causes, ["it is /elsewhere/db.yaml", "the root is /repo"]);
    }
}

#[test]
fn a_sops_yaml_that_leads_out_of_the_root_is_not_read() {
    let files = Memory::new([("/repo/.git/HEAD", ""), ("/repo/a.yaml", ""), ("/elsewhere/rules", RULES)])
        .with_link("/repo/.sops.yaml", "/elsewhere/rules");
    let mut nearest = locator(&files, &function("/repo"), &Config::default());
    let located = nearest.origin_file(&built("a.yaml")).unwrap();
    assert_eq!(nearest.rules_for(&located).unwrap_err().code, Code::OriginOutsideRoot);
    for named in ["../elsewhere/rules", "/elsewhere/rules", ".sops.yaml"] {
        let config = Config { sops_config: Some(named.into()), ..Config::default() };
        let mut named = locator(&files, &function("/repo"), &config);
        assert_eq!(named.rules_for(&located).unwrap_err().code, Code::OriginOutsideRoot);
        assert_eq!(named.rules_without_file(&built("a")).unwrap_err().code, Code::OriginOutsideRoot);
    }
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
        ("/repo/c/.sops.yaml/file", ""),
        ("/repo/c/db.yaml", ""),
    ]);
    let mut locator = locator(&files, &function("/repo"), &Config::default());
    let located = locator.origin_file(&built("a/secrets/db.yaml")).unwrap();
    let ruled = locator.rules_for(&located).unwrap();
    assert_eq!((ruled.rules.source(), ruled.path.as_str()), ("a/.sops.yaml", "secrets/db.yaml"));
    assert!(Arc::ptr_eq(&ruled.rules, &locator.rules_for(&located).unwrap().rules), "read once");
    let located = locator.origin_file(&built("b/db.yaml")).unwrap();
    let problem = locator.rules_for(&located).unwrap_err();
    assert_eq!(problem.code, Code::NoRule);
    assert_eq!(problem.causes, [".sops.yml has a name that sops does not read"]);
    // A directory of that name is what sops stumbles over, too.
    let located = locator.origin_file(&built("c/db.yaml")).unwrap();
    assert_eq!(locator.rules_for(&located).unwrap_err().code, Code::BadRule);
}

#[test]
fn without_a_repository_the_search_ends_where_that_of_sops_does() {
    let deep = |levels: usize| format!("{}/s.yaml", "/d".repeat(levels));
    let (near, far) = (deep(99), deep(100));
    let files = Memory::of([("/.sops.yaml", RULES), (near.as_str(), ""), (far.as_str(), "")]);
    let mut locator = locator(&files, &function("/d"), &Config::default());
    let located = locator.origin_file(&built(&near)).unwrap();
    assert!(locator.rules_for(&located).is_ok());
    assert_eq!(located.shown, near.strip_prefix("/d/").unwrap(), "relative to C");
    let located = locator.origin_file(&built(&far)).unwrap();
    assert_eq!(locator.rules_for(&located).unwrap_err().code, Code::NoRule);
}

#[test]
fn inline_rules_see_the_path_from_the_root() {
    let files = repository();
    let config = Config::from_settings([("creationRules", "[{path_regex: ^secrets/, kms: a}]")]).unwrap();
    let mut locator = locator(&files, &function("/repo/overlay"), &config);
    let located = locator.origin_file(&built("../secrets/db.yaml")).unwrap();
    let ruled = locator.rules_for(&located).unwrap();
    assert!(ruled.rules.for_path(&ruled.path).is_some());
    let ruled = locator.rules_without_file(&built("secrets/away.yaml")).unwrap();
    assert!(ruled.rules.for_path(&ruled.path).is_some());
}

#[test]
fn the_config_may_name_the_rules_and_the_root() {
    let files = repository();
    let named = |rules: &str, root: &str| {
        let mut config = config_at("d.yaml");
        (config.sops_config, config.root) = (Some(rules.into()), Some(root.into()));
        config
    };
    let elsewhere = Base::Built { directory: "/repo".into(), config_directory: "/repo/overlay".into() };
    for (base, item) in [(elsewhere, "secrets/db.yaml"), (function("/repo/overlay"), "../secrets/db.yaml")] {
        let mut right = locator(&files, &base, &named("../.sops.yaml", ".."));
        let located = right.origin_file(&built(item)).unwrap();
        assert_eq!(right.rules_for(&located).unwrap().path, "secrets/db.yaml");
        let mut wrong = locator(&files, &base, &named("none", ".."));
        let problem = wrong.rules_for(&located).unwrap_err();
        assert_eq!(
            (problem.code, problem.causes.as_slice()),
            (Code::NoRule, &["overlay/none is not a file".into()][..])
        );
        let narrow = locator(&files, &base, &named("../.sops.yaml", "."));
        assert_eq!(narrow.origin_file(&built(item)).unwrap_err().code, Code::OriginOutsideRoot);
        let problem = Locator::new(&files, &base, &named("x", "none"), []).err().unwrap();
        assert_eq!((problem.code, problem.field.as_deref()), (Code::BadConfig, Some("spec.root")));
    }
}

#[test]
fn a_path_beside_the_rules_is_whole_as_it_is_for_sops() {
    let files =
        Memory::new([("/repo/.git/x", ""), ("/repo/conf/rules", RULES), ("/repo/secrets/db.yaml", "")]);
    let config = Config { sops_config: Some("conf/rules".into()), ..Config::default() };
    let mut locator = locator(&files, &function("/repo"), &config);
    let located = locator.origin_file(&built("secrets/db.yaml")).unwrap();
    assert_eq!(locator.rules_for(&located).unwrap().path, "/repo/secrets/db.yaml");
}

#[test]
fn other_orchestrators_name_paths_from_the_working_directory() {
    let files = repository();
    let locate = |base: &Base, config: &Config| {
        locator(&files, base, config)
            .origin_file(&Origin::Working("secrets/db.yaml".into()))
            .map(|it| it.shown)
    };
    assert_eq!(locate(&function("/repo"), &Config::default()).as_deref(), Ok("secrets/db.yaml"));
    assert_eq!(locate(&function("/repo"), &config_at("overlay/d.yaml")).as_deref(), Ok("secrets/db.yaml"));
}

#[test]
fn a_transformer_of_a_remote_repository_knows_no_local_path() {
    let files = repository();
    let mut config = Config::default();
    config.identity.origin = Some("path: overlay/d.yaml\nrepo: https://example.com/r\nref: v1\n".into());
    let problem = locator(&files, &function("/repo/overlay"), &config).origin_file(&built("secrets/db.yaml"));
    assert_eq!(problem.unwrap_err().code, Code::OriginNotFound);
}

/// A function in a container, whose config stands in `conf` and says what is mounted.
fn container(mounts: &str) -> Config {
    Config::parse(&format!(
        "apiVersion: krm-sops.dev/v1\nkind: SopsDecrypt\nmetadata:\n  name: x\n  annotations:\n    \
         config.kubernetes.io/origin: \"path: ../overlay/conf/d.yaml\\n\"\n    config.kubernetes.io/function: |\n      \
         container:\n        image: krm-sops\n        mounts: {mounts}\n"
    ))
    .unwrap()
}

#[test]
fn a_container_sees_what_is_mounted_of_the_directory_of_its_kustomization() {
    let files = Memory::new([
        ("/repo/.sops.yaml", RULES),
        ("/repo/conf/d.yaml", ""),
        ("/repo/secrets/db.yaml", ""),
        ("/shared/db.yaml", ""),
        ("/etc/passwd", ""),
    ])
    .with_link("/repo/secrets/link.yaml", "/etc/passwd");
    let config = container(
        "[{type: bind, src: ./, dst: /repo}, {type: tmpfs, dst: /etc}, {src: ../up, dst: /shared}]",
    );
    // The working directory is the image's, and says nothing.
    let mut locator = locator(&files, &function("/"), &config);
    let located = locator.origin_file(&built("../overlay/secrets/db.yaml")).unwrap();
    assert_eq!(
        (located.file.as_path(), located.shown.as_str()),
        (Path::new("/repo/secrets/db.yaml"), "secrets/db.yaml")
    );
    assert_eq!(locator.rules_for(&located).unwrap().path, "secrets/db.yaml");
    assert_eq!(locator.origin_file(&built("../up/db.yaml")).unwrap().shown, "db.yaml");
    for (path, code, what) in [
        (
            "../overlay/secrets/none.yaml",
            Code::OriginNotFound,
            "the origin file ../overlay/secrets/none.yaml is not there",
        ),
        (
            "../else/db.yaml",
            Code::OriginNotFound,
            "the origin file ../else/db.yaml is in no mount of the container",
        ),
        ("/etc/passwd", Code::OriginNotFound, "the origin file /etc/passwd is in no mount of the container"),
        (
            "../overlay/secrets/link.yaml",
            Code::OriginOutsideRoot,
            "the origin file is outside the repository root",
        ),
    ] {
        let problem = locator.origin_file(&built(path)).unwrap_err();
        assert_eq!((problem.code, problem.what.as_str()), (code, what));
    }
}

#[test]
fn a_container_without_mounts_has_the_rules_of_its_config() {
    let files = Memory::new([("/secrets/db.yaml", "")]);
    let mut config = container("[]");
    let item = built("../overlay/secrets/db.yaml");
    let mut without = locator(&files, &function("/"), &config);
    assert_eq!(without.origin_file(&item).unwrap_err().code, Code::OriginNotFound);
    assert_eq!(without.rules_without_file(&item).unwrap_err().code, Code::NoRule);
    config.creation_rules = Some(Arc::new(Rules::parse(RULES, "inline").unwrap()));
    let ruled = locator(&files, &function("/"), &config).rules_without_file(&item).unwrap();
    assert_eq!(ruled.path, "../overlay/secrets/db.yaml");
}

#[test]
fn a_container_may_name_its_root_and_rules_by_its_own_paths() {
    let files = Memory::new([
        ("/repo/a/.sops.yaml", RULES),
        ("/repo/a/s.yaml", ""),
        ("/repo/b.yaml", ""),
        ("/repo/conf/d.yaml", ""),
    ]);
    for (root, rules) in [("../a", "../a/.sops.yaml"), ("/repo/a", "/repo/a/.sops.yaml")] {
        let mut config = container("[{type: bind, src: ., dst: /repo}]");
        (config.root, config.sops_config) = (Some(root.into()), Some(rules.into()));
        let mut locator = locator(&files, &function("/"), &config);
        let located = locator.origin_file(&built("../overlay/a/s.yaml")).unwrap();
        assert_eq!(
            (located.shown.as_str(), locator.rules_for(&located).unwrap().path.as_str()),
            ("s.yaml", "s.yaml")
        );
        assert_eq!(
            locator.origin_file(&built("../overlay/b.yaml")).unwrap_err().code,
            Code::OriginOutsideRoot
        );
    }
    let mut config = container("[{type: bind, src: ., dst: /repo}]");
    config.sops_config = Some("../../.sops.yaml".into());
    let problem = locator(&files, &function("/"), &config).rules_without_file(&built("a")).unwrap_err();
    assert_eq!(problem.causes, ["no mount of the container holds it"]);
}

/// `--mount` on the command line brings a directory above the kustomization, and no function is told of it.
#[test]
fn a_container_sees_beside_its_kustomization_where_that_is_mounted_at_its_own_place() {
    let files = Memory::new([
        ("/repo/.git/HEAD", ""),
        ("/repo/.sops.yaml", RULES),
        ("/repo/clusters/west/d.yaml", ""),
        ("/repo/secrets/db.yaml", ""),
        ("/shared/db.yaml", ""),
    ]);
    let mut config =
        container("[{type: bind, src: ., dst: /repo/clusters/west}, {type: bind, src: more, dst: /shared}]");
    config.identity.origin = Some("path: d.yaml\n".into());
    let locator_of = |config: &Config| locator(&files, &function("/"), config);
    let located = locator_of(&config).origin_file(&built("../../secrets/db.yaml")).unwrap();
    assert_eq!(
        (located.file.as_path(), located.shown.as_str()),
        (Path::new("/repo/secrets/db.yaml"), "secrets/db.yaml")
    );
    assert_eq!(locator_of(&config).rules_for(&located).unwrap().path, "secrets/db.yaml");
    // Another directory stands there, or nothing at all.
    for path in ["../../../shared/db.yaml", "../../../../repo/secrets/db.yaml", "../../secrets/none.yaml"] {
        let problem = locator_of(&config).origin_file(&built(path)).unwrap_err();
        assert_eq!(problem.what, format!("the origin file {path} is in no mount of the container"));
    }
    // Without a repository in sight, only what the annotation mounts may be read, until the config names the root.
    let files = Memory::new([("/repo/clusters/west/d.yaml", ""), ("/repo/secrets/db.yaml", "")]);
    let there = |config: &Config| {
        locator(&files, &function("/"), config).origin_file(&built("../../secrets/db.yaml"))
    };
    assert_eq!(there(&config).unwrap_err().code, Code::OriginOutsideRoot);
    config.root = Some("../..".into());
    assert_eq!(there(&config).unwrap().shown, "secrets/db.yaml");
}

#[test]
fn a_clone_of_kustomizes_is_known_by_its_name() {
    for clone in ["/tmp/kustomize-1234567890", "/private/tmp/kustomize-12345/clusters/a"] {
        assert!(is_clone(Path::new(clone)), "{clone}");
    }
    for other in [
        "/repo/app",
        "/repo/kustomize-5",
        "/repo/kustomize-5.8.2/a",
        "/tmp/kustomize-abcdef",
        "/tmp/kustomize-",
    ] {
        assert!(!is_clone(Path::new(other)), "{other}");
    }
}
