use super::*;
use crate::rule::Rules;

const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/1";
const OTHER: &str = "arn:aws:kms:us-west-2:123456789012:key/2";
const ROLE: &str = "arn:aws:iam::123456789012:role/flux-secrets";

/// A `sops` block with these keys, as JSON.
fn block(keys: &str) -> Sealed {
    let text = format!(
        "{{{keys}, \"lastmodified\": \"2026-11-24T05:33:59Z\", \"mac\": \"\", \"version\": \"3.13.2\"}}"
    );
    let documents = crate::yaml::parse(&text).unwrap();
    Sealed::Item(Metadata::of_item(&documents[0].root).unwrap())
}

fn kms(arn: &str, more: &str) -> String {
    format!("{{\"arn\": \"{arn}\", \"enc\": \"QQ==\", \"created_at\": \"2026-11-24T05:33:59Z\"{more}}}")
}

fn rules(keys: &str) -> Rules {
    Rules::parse(&format!("creation_rules:\n- key_groups: [{{kms: [{keys}]}}]\n"), ".sops.yaml").unwrap()
}

fn terms() -> Terms {
    Terms { role: RolePolicy::AsRuled, profiles: false, usable: vec![KeyKind::AwsKms] }
}

fn decide(sealed: Sealed, rules: &Rules, terms: &Terms) -> Result<Authorised, Problem> {
    authorise(sealed, Authority::Rule(rules.for_path("x").unwrap()), terms)
}

fn refused(sealed: Sealed, rules: &Rules) -> Problem {
    decide(sealed, rules, &terms()).err().unwrap()
}

#[test]
fn the_role_is_the_rules_and_never_the_blocks() {
    let rules = rules(&format!("{{arn: '{KEY}', role: '{ROLE}'}}"));
    let sealed = block(&format!(
        "\"kms\": [{}]",
        kms(KEY, ", \"role\": \"arn:aws:iam::1:role/evil\", \"aws_profile\": \"evil\"")
    ));
    let authorised = decide(sealed, &rules, &terms()).unwrap();
    let grant = &authorised.grants().groups()[0][0];
    assert_eq!(grant.role.as_deref(), Some(ROLE));
    assert_eq!(grant.profile, None);
}

#[test]
fn the_config_may_replace_the_role_and_honour_profiles() {
    let rules = rules(&format!("{{arn: '{KEY}', role: '{ROLE}', aws_profile: dev}}"));
    for (policy, profiles, role, profile) in [
        (RolePolicy::Never, false, None, None),
        (RolePolicy::Fixed("arn:x".into()), true, Some("arn:x"), Some("dev")),
    ] {
        let terms = Terms { role: policy, profiles, ..terms() };
        let authorised = decide(block(&format!("\"kms\": [{}]", kms(KEY, ""))), &rules, &terms).unwrap();
        let grant = &authorised.grants().groups()[0][0];
        assert_eq!((grant.role.as_deref(), grant.profile.as_deref()), (role, profile));
    }
}

#[test]
fn a_foreign_key_is_refused_even_beside_a_good_one() {
    let rules = rules(&format!("{{arn: '{KEY}'}}"));
    let sealed = block(&format!("\"kms\": [{}, {}]", kms(KEY, ""), kms(OTHER, "")));
    let problem = refused(sealed, &rules);
    assert_eq!(problem.code, Code::KeyNotInRule);
    assert!(problem.causes[0].contains(OTHER) && problem.causes[1].contains(KEY), "{problem:?}");
}

#[test]
fn another_encryption_context_is_another_key() {
    let rules = rules(&format!("{{arn: '{KEY}', context: {{app: a}}}}"));
    for context in ["", ", \"context\": {\"app\": \"b\"}"] {
        let problem = refused(block(&format!("\"kms\": [{}]", kms(KEY, context))), &rules);
        assert_eq!(problem.code, Code::KeyNotInRule);
        assert!(problem.causes[0].contains("another encryption context"), "{problem:?}");
    }
    let sealed = block(&format!("\"kms\": [{}]", kms(KEY, ", \"context\": {\"app\": \"a\"}")));
    assert!(decide(sealed, &rules, &terms()).is_ok());
}

#[test]
fn only_keys_that_would_be_used_are_judged() {
    let rules = rules(&format!("{{arn: '{KEY}'}}"));
    let age = "\"age\": [{\"recipient\": \"age1x\", \"enc\": \"x\"}]";
    let sealed = block(&format!("{age}, \"kms\": [{}]", kms(KEY, "")));
    assert_eq!(decide(sealed, &rules, &terms()).unwrap().grants().groups()[0].len(), 1);
    let problem = refused(block(age), &rules);
    assert_eq!(problem.code, Code::NoUsableKey);
    assert!(problem.causes[0].contains("age1x"), "{problem:?}");
}

#[test]
fn thresholds() {
    let rules = rules(&format!("{{arn: '{KEY}'}}"));
    let group = format!("{{\"kms\": [{}]}}", kms(KEY, ""));
    let age = "{\"age\": [{\"recipient\": \"age1x\", \"enc\": \"x\"}]}";
    let groups = |threshold: usize| {
        block(&format!("\"key_groups\": [{group}, {group}, {age}], \"shamir_threshold\": {threshold}"))
    };
    for stated in [1, 2] {
        assert_eq!(decide(groups(stated), &rules, &terms()).unwrap().grants().threshold(), 2);
    }
    for too_many in [0, 3] {
        assert_eq!(refused(groups(too_many), &rules).code, Code::NoUsableKey);
    }
}

#[test]
fn without_a_rule_the_blocks_claims_count() {
    let sealed = block(&format!("\"kms\": [{}]", kms(KEY, ", \"role\": \"arn:claimed\"")));
    let authorised = authorise(sealed, Authority::Metadata, &terms()).unwrap();
    assert_eq!(authorised.grants().groups()[0][0].role.as_deref(), Some("arn:claimed"));
}
