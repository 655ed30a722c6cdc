//! The function config: a `SopsDecrypt` resource, a `ConfigMap` or flags → [`Config`].
//!
//! No config at all means the defaults. A field that does not exist is an error, because a misspelt `integrity` that is
//! passed over would be a hole.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use kube_core::TypeMeta;
use serde_yaml::{Mapping, Value};

use crate::diagnostics::{Code, Problem};
use crate::re2::{self, Regex};
use crate::rule::Rules;
use crate::service_address::ServiceAddress;

mod container;
mod fields;
mod schema;

pub use container::Mount;
use fields::{Fields, nearest};
pub use schema::schema;

/// The group and version of the config.
pub const API_VERSION: &str = "krm-sops.dev/v1";
/// The kind of the config.
pub const KIND: &str = "SopsDecrypt";

/// What to do, and how strictly. The default is the strictest.
#[derive(Debug)]
pub struct Config {
    /// Where the config itself comes from: its annotations say so.
    pub identity: Identity,
    /// Encrypted files whose resources are added to the input, relative to C: as a generator, there is nothing else.
    pub files: Vec<String>,
    /// Use this `.sops.yaml`, relative to the config's directory, instead of the nearest above each origin file.
    pub sops_config: Option<String>,
    /// Rules inline, instead of any `.sops.yaml`.
    pub creation_rules: Option<Arc<Rules>>,
    /// The repository root, relative to the config's directory.
    pub root: Option<String>,
    /// The kinds that are decrypted.
    pub kinds: Kinds,
    /// A Secret that a rule covers but that is not encrypted.
    pub on_unencrypted: OnUnencrypted,
    /// An encrypted item without an origin file.
    pub on_missing_origin: Fallback,
    /// An encrypted item whose origin file no rule covers.
    pub on_no_rule: Fallback,
    /// Remote repositories that are trusted.
    pub allow_remote: Vec<Regex>,
    /// How the values are verified.
    pub integrity: Integrity,
    /// Which items lose the annotations that kustomize's `buildMetadata` put there.
    pub strip_origin: StripOrigin,
    /// The keyservices that unwrap data keys, in the order in which they are asked. None: AWS is called from here.
    pub keyservices: Vec<ServiceAddress>,
    /// How AWS is called.
    pub aws: Aws,
}

/// The config's annotations that say where it stands and how it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `config.kubernetes.io/origin`
    pub origin: Option<String>,
    /// What the function sees of the host's disk, where `config.kubernetes.io/function` has it run in a container.
    pub container: Option<Vec<Mount>>,
}

/// Which kinds are decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Whatever carries a `sops` block.
    All,
    /// Only these.
    Only(Vec<String>),
}

impl Kinds {
    /// Whether this kind is decrypted.
    #[must_use]
    pub fn include(&self, kind: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(kinds) => kinds.iter().any(|included| included == kind),
        }
    }
}

/// What an unencrypted Secret under a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnencrypted {
    /// An error.
    Refuse,
    /// A warning.
    Warn,
    /// Nothing.
    Ignore,
}

/// What stands in for a rule that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing: the item is refused.
    Refuse,
    /// The `sops` block's own claims.
    Metadata,
}

/// How values are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// By the origin file's MAC; every value must stand in that file.
    Verify,
    /// The same, but what is wrong is a warning.
    Warn,
    /// Not at all: the origin file is not opened.
    Skip,
}

/// Which items lose their origin annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StripOrigin {
    /// None.
    None,
    /// Those that were decrypted.
    Decrypted,
    /// All.
    All,
}

/// Which role is assumed for a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RolePolicy {
    /// The rule's.
    #[default]
    AsRuled,
    /// None: the caller's own credentials are used.
    Never,
    /// The one with this ARN, whatever the rule says.
    Fixed(String),
}

/// How AWS is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aws {
    /// Which role is assumed.
    pub assume_role: RolePolicy,
    /// Whether `aws_profile` is honoured.
    pub profiles: bool,
    /// The most calls in flight.
    pub max_concurrency: NonZeroUsize,
    /// The bound of one call, its retries included.
    pub timeout: Duration,
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            assume_role: RolePolicy::AsRuled,
            profiles: false,
            max_concurrency: NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN),
            timeout: Duration::from_secs(30),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            identity: Identity::default(),
            files: Vec::new(),
            sops_config: None,
            creation_rules: None,
            root: None,
            kinds: Kinds::All,
            on_unencrypted: OnUnencrypted::Refuse,
            on_missing_origin: Fallback::Refuse,
            on_no_rule: Fallback::Refuse,
            allow_remote: Vec::new(),
            integrity: Integrity::Verify,
            strip_origin: StripOrigin::None,
            keyservices: Vec::new(),
            aws: Aws::default(),
        }
    }
}

impl Config {
    /// Reads a config: the text of one YAML or JSON document.
    ///
    /// # Errors
    /// `bad-config`: it is no YAML, not of a kind that is a config, or has an unknown field or a wrong value. What is
    /// wrong in `creationRules` is `bad-rule`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let value = read_value(text)?;
        let type_meta: TypeMeta = serde_yaml::from_value(value.clone())
            .map_err(|_| bad("the function config has no apiVersion and kind"))?;
        let mut config = match (type_meta.api_version.as_str(), type_meta.kind.as_str()) {
            (API_VERSION, KIND) => {
                refuse_unknown(&value, &["apiVersion", "kind", "metadata", "spec"], "")?;
                let mut config = Self::from_spec(value.get("spec").unwrap_or(&Value::Null))?;
                config.creation_rules = inline_rules(text, &["spec", "creationRules"])?;
                config
            }
            ("v1", "ConfigMap") => Self::from_data(value.get("data").unwrap_or(&Value::Null))?,
            (version, kind) => {
                return Err(bad("the function config is of an unknown kind")
                    .because(format!("it is {version} {kind}"))
                    .help(format!("use apiVersion {API_VERSION} and kind {KIND}, or a ConfigMap")));
            }
        };
        let annotation =
            |name: &str| Some(value.get("metadata")?.get("annotations")?.get(name)?.as_str()?.to_owned());
        let function =
            annotation("config.kubernetes.io/function").or_else(|| annotation("config.k8s.io/function"));
        config.identity = Identity {
            origin: annotation("config.kubernetes.io/origin"),
            container: function.map_or(Ok(None), |text| container::mounts(&text))?,
        };
        Ok(config)
    }

    /// Reads fields with dotted names: what kpt passes as `-- key=value`, and `--set`.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn from_settings<'s>(
        settings: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> Result<Self, Problem> {
        let mut spec = Value::Mapping(Mapping::new());
        let mut rules = None;
        for (name, text) in settings {
            fields::set(&mut spec, name, text)?;
            if name == "creationRules" {
                rules = inline_rules(text, &[])?;
            }
        }
        Ok(Self { creation_rules: rules, ..Self::from_spec(&spec)? })
    }

    fn from_data(data: &Value) -> Result<Self, Problem> {
        let Some(data) = data.as_mapping() else { return Ok(Self::default()) };
        let mut settings = Vec::with_capacity(data.len());
        for (name, value) in data {
            match (name.as_str(), value.as_str()) {
                (Some(name), Some(text)) => settings.push((name, text)),
                (name, _) => {
                    return Err(bad("a ConfigMap's data must hold strings").at(name.unwrap_or("data")));
                }
            }
        }
        Self::from_settings(settings)
    }

    /// All but the rules, which are read from the text.
    fn from_spec(spec: &Value) -> Result<Self, Problem> {
        refuse_unknown(spec, SPEC, "spec.")?;
        let fields = Fields::of(spec, "spec.")?;
        let aws = spec.get("aws").unwrap_or(&Value::Null);
        refuse_unknown(aws, AWS, "spec.aws.")?;
        Ok(Self {
            identity: Identity::default(),
            files: read_files(&fields)?,
            sops_config: fields.text("sopsConfig")?,
            creation_rules: None,
            root: fields.text("root")?,
            kinds: read_kinds(&fields)?,
            on_unencrypted: fields.one_of("onUnencrypted", ON_UNENCRYPTED)?,
            on_missing_origin: fields.one_of("onMissingOrigin", FALLBACKS)?,
            on_no_rule: fields.one_of("onNoRule", FALLBACKS)?,
            allow_remote: read_regexes(&fields, "allowRemote")?,
            integrity: fields.one_of("integrity", INTEGRITY)?,
            strip_origin: fields.one_of("stripOrigin", STRIP_ORIGIN)?,
            keyservices: read_keyservices(&fields)?,
            aws: read_aws(&Fields::of(aws, "spec.aws.")?, &Aws::default())?,
        })
    }
}

/// The fields of `spec`.
const SPEC: &[&str] = &[
    "files",
    "sopsConfig",
    "creationRules",
    "root",
    "kinds",
    "onUnencrypted",
    "onMissingOrigin",
    "onNoRule",
    "allowRemote",
    "integrity",
    "stripOrigin",
    "keyservices",
    "aws",
];
/// The fields of `spec.aws`.
const AWS: &[&str] = &["assumeRole", "profiles", "maxConcurrency", "timeout"];
const ON_UNENCRYPTED: &[(&str, OnUnencrypted)] =
    &[("refuse", OnUnencrypted::Refuse), ("warn", OnUnencrypted::Warn), ("ignore", OnUnencrypted::Ignore)];
const FALLBACKS: &[(&str, Fallback)] = &[("refuse", Fallback::Refuse), ("metadata", Fallback::Metadata)];
const INTEGRITY: &[(&str, Integrity)] =
    &[("verify", Integrity::Verify), ("warn", Integrity::Warn), ("skip", Integrity::Skip)];
const STRIP_ORIGIN: &[(&str, StripOrigin)] =
    &[("none", StripOrigin::None), ("decrypted", StripOrigin::Decrypted), ("all", StripOrigin::All)];

fn read_value(text: &str) -> Result<Value, Problem> {
    // The bounds of depth and size are that parser's; serde's would take seconds to say no.
    crate::yaml::parse(text).map_err(|error| {
        bad("the function config is not valid YAML")
            .because(format!("{} at line {}, column {}", error.what, error.line, error.column))
    })?;
    let unreadable = |_| bad("the function config cannot be read as one YAML document");
    let mut value: Value = serde_yaml::from_str(text).map_err(unreadable)?;
    value.apply_merge().map_err(unreadable)?;
    Ok(value)
}

/// The rules that stand in a config's text below these keys; an empty list is none at all.
fn inline_rules(text: &str, keys: &[&str]) -> Result<Option<Arc<Rules>>, Problem> {
    let rules = Rules::parse_at(text, keys, "spec.creationRules")?;
    Ok(Some(rules).filter(|rules| !rules.all().is_empty()).map(Arc::new))
}

fn read_files(fields: &Fields<'_>) -> Result<Vec<String>, Problem> {
    let files = fields.texts("files")?;
    if files.iter().any(String::is_empty) {
        return Err(fields.bad("files", "a path is empty"));
    }
    Ok(files)
}

fn read_kinds(fields: &Fields<'_>) -> Result<Kinds, Problem> {
    let kinds = fields.texts("kinds")?;
    let all = kinds.is_empty() || kinds.iter().any(|kind| kind == "*");
    Ok(if all { Kinds::All } else { Kinds::Only(kinds) })
}

fn read_regexes(fields: &Fields<'_>, name: &str) -> Result<Vec<Regex>, Problem> {
    let compile = |text: &String| re2::compile(text).map_err(|why| fields.bad(name, &why));
    fields.texts(name)?.iter().map(compile).collect()
}

fn read_keyservices(fields: &Fields<'_>) -> Result<Vec<ServiceAddress>, Problem> {
    let read = |url: &String| {
        ServiceAddress::parse(url).map_err(|no| {
            let problem = fields.bad("keyservices", no.why);
            match no.meant {
                Some(meant) => problem.help(format!("did you mean {meant}?")),
                None => problem,
            }
        })
    };
    fields.texts("keyservices")?.iter().map(read).collect()
}

fn read_aws(fields: &Fields<'_>, default: &Aws) -> Result<Aws, Problem> {
    let assume_role = match fields.text("assumeRole")?.as_deref() {
        None | Some("rule") => RolePolicy::AsRuled,
        Some("never") => RolePolicy::Never,
        Some(arn) if arn.starts_with("arn:") && arn.contains(":role/") => RolePolicy::Fixed(arn.to_owned()),
        Some(_) => return Err(fields.bad("assumeRole", "rule, never or the ARN of a role is expected")),
    };
    Ok(Aws {
        assume_role,
        profiles: fields.flag("profiles")?.unwrap_or(default.profiles),
        max_concurrency: match fields.count("maxConcurrency")? {
            Some(count) => NonZeroUsize::new(count)
                .ok_or_else(|| fields.bad("maxConcurrency", "a whole number from 1 is expected"))?,
            None => default.max_concurrency,
        },
        timeout: fields.duration("timeout")?.unwrap_or(default.timeout),
    })
}

fn refuse_unknown(value: &Value, known: &[&str], prefix: &str) -> Result<(), Problem> {
    for name in value.as_mapping().into_iter().flat_map(Mapping::keys) {
        let name = name.as_str().unwrap_or("(not a string)");
        if !known.contains(&name) {
            let problem = bad("the function config has an unknown field").at(format!("{prefix}{name}"));
            return Err(match nearest(name, known) {
                Some(near) => problem.help(format!("did you mean {prefix}{near}?")),
                None => problem.help(format!("the fields here are {}", known.join(", "))),
            });
        }
    }
    Ok(())
}

fn bad(what: &str) -> Problem {
    Problem::new(Code::BadConfig, what)
}

#[cfg(test)]
mod tests;
