//! The config as a JSON Schema, for editors and for whoever checks manifests: made of the lists that the parser reads by.
//!
//! Its keywords are those of `OpenAPI` v3, `$schema` apart, so that it can be put into a function's or a CRD's definition.

use serde_json::{Map, Value, json};

use super::{API_VERSION, AWS, Aws, FALLBACKS, INTEGRITY, KIND, ON_UNENCRYPTED, SPEC, STRIP_ORIGIN};

/// The schema of a `SopsDecrypt` resource.
#[must_use]
pub fn schema() -> Value {
    let (group, version) = API_VERSION.split_once('/').unwrap_or_default();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": KIND,
        "description": "What krm-sops decrypts, and how strictly. All of it is optional; the defaults are the strictest.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": {"type": "string", "enum": [API_VERSION]},
            "kind": {"type": "string", "enum": [KIND]},
            "metadata": {"type": "object"},
            "spec": object(SPEC, field_of_spec),
        },
        "x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": KIND}],
    })
}

fn object(names: &[&str], describe: fn(&str) -> Option<Value>) -> Value {
    let properties: Map<String, Value> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), describe(name)?))).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// What a field of `spec` may hold; nothing for one that is not known here, which a test does not let happen.
fn field_of_spec(name: &str) -> Option<Value> {
    Some(match name {
        "files" => texts(
            "Encrypted files whose resources are added decrypted, relative to the kustomization: krm-sops as a generator.",
        ),
        "sopsConfig" => text(
            "Use the rules of this .sops.yaml; by default those of the nearest one above each origin file.",
        ),
        "creationRules" => json!({
            "type": "array",
            "items": {"type": "object"},
            "description": "Rules inline, in the schema of .sops.yaml, for a function that cannot read the repository.",
        }),
        "root" => text("Nothing outside of it is read; by default the nearest directory above with .git."),
        "kinds" => texts("The kinds that are decrypted; by default every item with a sops block."),
        "onUnencrypted" => one_of(ON_UNENCRYPTED, "A Secret that a rule covers and nobody encrypted."),
        "onMissingOrigin" => {
            one_of(FALLBACKS, "An encrypted item without an origin file; metadata trusts its own sops block.")
        }
        "onNoRule" => one_of(
            FALLBACKS,
            "An encrypted item whose file no rule covers; metadata trusts its own sops block.",
        ),
        "allowRemote" => texts("Regexes of remote bases whose items are decrypted."),
        "integrity" => one_of(INTEGRITY, "How the values are verified by their origin file's MAC."),
        "stripOrigin" => one_of(STRIP_ORIGIN, "Which items lose their origin annotations."),
        "keyservices" => json!({
            "type": "array",
            "items": {"type": "string", "pattern": "^(unix:///.+|tcp://.+:[0-9]+)$"},
            "description": "Keyservices of sops that unwrap data keys instead of AWS, in this order.",
        }),
        "aws" => object(AWS, field_of_aws),
        _ => return None,
    })
}

fn field_of_aws(name: &str) -> Option<Value> {
    let default = Aws::default();
    Some(match name {
        "assumeRole" => json!({
            "type": "string",
            "pattern": "^(rule|never|arn:.*:role/.*)$",
            "default": "rule",
            "description": "The role of the rule, none, or the one with this ARN.",
        }),
        "profiles" => json!({
            "type": "boolean",
            "default": default.profiles,
            "description": "Whether aws_profile in rules is honoured.",
        }),
        "maxConcurrency" => json!({
            "type": "integer",
            "minimum": 1,
            "default": default.max_concurrency.get(),
            "description": "The most calls in flight.",
        }),
        "timeout" => json!({
            "type": "string",
            "pattern": "^0*[1-9][0-9]*(ms|s|m)$",
            "default": format!("{}s", default.timeout.as_secs()),
            "description": "The bound of one call with its retries.",
        }),
        _ => return None,
    })
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// A list, or a string with commas.
fn texts(description: &str) -> Value {
    json!({
        "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}],
        "description": description,
    })
}

/// One of the parser's words, of which the first is the default.
fn one_of<T>(words: &[(&str, T)], description: &str) -> Value {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    json!({"type": "string", "enum": words, "default": words.first(), "description": description})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn fields(schema: &Value) -> Vec<String> {
        let mut names: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    }

    fn sorted(names: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    }

    fn parser_takes(spec: &Value) -> bool {
        let config = json!({"apiVersion": API_VERSION, "kind": KIND, "spec": spec});
        Config::parse(&config.to_string()).is_ok()
    }

    #[test]
    fn every_field_is_described() {
        let spec = &schema()["properties"]["spec"];
        assert_eq!(fields(spec), sorted(SPEC), "field_of_spec has to describe what SPEC lists");
        assert_eq!(fields(&spec["properties"]["aws"]), sorted(AWS));
        for fields in [spec, &spec["properties"]["aws"]] {
            for (name, field) in fields["properties"].as_object().unwrap() {
                assert!(name == "aws" || field["description"].is_string(), "{name}");
            }
        }
    }

    #[test]
    fn every_word_and_default_of_it_is_taken_by_the_parser_and_no_other() {
        let spec = schema()["properties"]["spec"]["properties"].clone();
        let aws = spec["aws"]["properties"].clone();
        let mut words = 0;
        for (name, field) in spec.as_object().unwrap() {
            for word in field["enum"].as_array().into_iter().flatten() {
                assert!(parser_takes(&json!({name: word})), "{name}: {word}");
                assert!(!parser_takes(&json!({name: format!("{}x", word.as_str().unwrap())})), "{name}");
                words += 1;
            }
            if let Some(default) = field.get("default") {
                assert!(parser_takes(&json!({name: default})), "{name}: {default}");
            }
        }
        assert_eq!(words, 13);
        for (name, field) in aws.as_object().unwrap() {
            assert!(parser_takes(&json!({"aws": {name: field["default"]}})), "{name}");
        }
    }

    #[test]
    fn its_patterns_are_those_of_the_parser() {
        let aws = schema()["properties"]["spec"]["properties"]["aws"]["properties"].clone();
        for (name, values) in [
            ("timeout", ["30s", "500ms", "2m", "0s", "5", "1h", "s", "-1s", "007s", "000ms", "1 s"]),
            (
                "assumeRole",
                [
                    "rule",
                    "never",
                    "arn:aws:iam::1:role/a",
                    "arn:aws-cn:iam::1:role/a/b",
                    "admin",
                    "arn:aws:iam::1:user/a",
                    "Rule",
                    "never ",
                    "role/a",
                    "rules",
                    "arn",
                ],
            ),
        ] {
            let pattern = regex::Regex::new(aws[name]["pattern"].as_str().unwrap()).unwrap();
            for value in values {
                let taken = parser_takes(&json!({"aws": {name: value}}));
                assert_eq!(pattern.is_match(value), taken, "{name}: {value}");
            }
        }
    }
}
