//! Which values of a document SOPS encrypts: the six selectors, of which a file has at most one.

use std::fmt;

use crate::field_path::FieldPath;
use crate::re2::{self, Regex};

/// How SOPS chooses the values it encrypts.
#[derive(Clone, Debug)]
pub enum Selector {
    /// All but what stands below a key with this suffix. SOPS' default, with `_unencrypted`.
    UnencryptedSuffix(String),
    /// Only what stands below a key with this suffix.
    EncryptedSuffix(String),
    /// All but what stands below a key that matches.
    UnencryptedRegex(Regex),
    /// Only what stands below a key that matches.
    EncryptedRegex(Regex),
    /// All but what a matching comment stands above. Only the origin file still has the comments.
    UnencryptedCommentRegex(Regex),
    /// Only what a matching comment stands above. Only the origin file still has the comments.
    EncryptedCommentRegex(Regex),
}

/// The six fields as rules and metadata hold them; empty and absent mean the same, as in SOPS.
#[derive(Clone, Debug, Default)]
pub struct SelectorFields {
    /// `unencrypted_suffix`
    pub unencrypted_suffix: Option<String>,
    /// `encrypted_suffix`
    pub encrypted_suffix: Option<String>,
    /// `unencrypted_regex`
    pub unencrypted_regex: Option<String>,
    /// `encrypted_regex`
    pub encrypted_regex: Option<String>,
    /// `unencrypted_comment_regex`
    pub unencrypted_comment_regex: Option<String>,
    /// `encrypted_comment_regex`
    pub encrypted_comment_regex: Option<String>,
}

/// Why [`SelectorFields`] are no [`Selector`].
#[derive(Debug, PartialEq, Eq)]
pub enum SelectorError {
    /// More than one of the six is given; their field names.
    MoreThanOne(Vec<&'static str>),
    /// The regex of this field does not compile; why.
    BadRegex(&'static str, String),
}

impl Selector {
    /// What SOPS uses where no selector is given (`DefaultUnencryptedSuffix` in sops' `sops.go`).
    pub const DEFAULT_UNENCRYPTED_SUFFIX: &'static str = "_unencrypted";

    /// Compiles the one selector that is given, or SOPS' default where none is.
    ///
    /// # Errors
    /// More than one selector, or a regex that does not compile.
    pub fn new(fields: SelectorFields) -> Result<Self, SelectorError> {
        let given: Vec<(&'static str, String)> = [
            ("unencrypted_suffix", fields.unencrypted_suffix),
            ("encrypted_suffix", fields.encrypted_suffix),
            ("unencrypted_regex", fields.unencrypted_regex),
            ("encrypted_regex", fields.encrypted_regex),
            ("unencrypted_comment_regex", fields.unencrypted_comment_regex),
            ("encrypted_comment_regex", fields.encrypted_comment_regex),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)))
        .collect();
        if given.len() > 1 {
            return Err(SelectorError::MoreThanOne(given.into_iter().map(|(name, _)| name).collect()));
        }
        let Some((name, text)) = given.into_iter().next() else {
            return Ok(Self::default());
        };
        let compile = |text: &str| re2::compile(text).map_err(|why| SelectorError::BadRegex(name, why));
        Ok(match name {
            "unencrypted_suffix" => Self::UnencryptedSuffix(text),
            "encrypted_suffix" => Self::EncryptedSuffix(text),
            "unencrypted_regex" => Self::UnencryptedRegex(compile(&text)?),
            "encrypted_regex" => Self::EncryptedRegex(compile(&text)?),
            "unencrypted_comment_regex" => Self::UnencryptedCommentRegex(compile(&text)?),
            _ => Self::EncryptedCommentRegex(compile(&text)?),
        })
    }

    /// Whether SOPS encrypts the value at `path`. `None`: only comments can tell.
    ///
    /// Every key on the way is looked at on its own, unanchored, so a match covers all that stands below it.
    #[must_use]
    pub fn covers(&self, path: &FieldPath) -> Option<bool> {
        match self {
            Self::UnencryptedSuffix(suffix) => Some(!path.keys().any(|key| key.ends_with(suffix.as_str()))),
            Self::EncryptedSuffix(suffix) => Some(path.keys().any(|key| key.ends_with(suffix.as_str()))),
            Self::UnencryptedRegex(regex) => Some(!path.keys().any(|key| regex.is_match(key))),
            Self::EncryptedRegex(regex) => Some(path.keys().any(|key| regex.is_match(key))),
            Self::UnencryptedCommentRegex(_) | Self::EncryptedCommentRegex(_) => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnencryptedSuffix(suffix) => write!(f, "unencrypted_suffix: {suffix}"),
            Self::EncryptedSuffix(suffix) => write!(f, "encrypted_suffix: {suffix}"),
            Self::UnencryptedRegex(regex) => write!(f, "unencrypted_regex: {}", regex.as_str()),
            Self::EncryptedRegex(regex) => write!(f, "encrypted_regex: {}", regex.as_str()),
            Self::UnencryptedCommentRegex(regex) => {
                write!(f, "unencrypted_comment_regex: {}", regex.as_str())
            }
            Self::EncryptedCommentRegex(regex) => write!(f, "encrypted_comment_regex: {}", regex.as_str()),
        }
    }
}

impl Default for Selector {
    fn default() -> Self {
        Self::UnencryptedSuffix(Self::DEFAULT_UNENCRYPTED_SUFFIX.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(set: impl FnOnce(&mut SelectorFields)) -> Selector {
        let mut fields = SelectorFields::default();
        set(&mut fields);
        Selector::new(fields).unwrap()
    }

    #[test]
    fn the_default_spares_the_unencrypted_suffix() {
        let default = Selector::new(SelectorFields::default()).unwrap();
        assert_eq!(default.covers(&FieldPath::from(["data", "a"])), Some(true));
        assert_eq!(default.covers(&FieldPath::from(["data_unencrypted", "a"])), Some(false));
    }

    #[test]
    fn a_regex_is_unanchored_and_looks_at_every_key_on_the_way() {
        let regex = selector(|fields| fields.encrypted_regex = Some("^(data|stringData)$".into()));
        assert_eq!(regex.covers(&FieldPath::from(["data", "password"])), Some(true));
        assert_eq!(regex.covers(&FieldPath::from(["metadata", "name"])), Some(false));
        let regex = selector(|fields| fields.encrypted_regex = Some("data".into()));
        assert_eq!(regex.covers(&FieldPath::from(["metadata", "name"])), Some(true));
    }

    #[test]
    fn at_most_one_selector() {
        let fields = SelectorFields {
            encrypted_regex: Some("a".into()),
            encrypted_suffix: Some("b".into()),
            ..SelectorFields::default()
        };
        let error = Selector::new(fields).unwrap_err();
        assert_eq!(error, SelectorError::MoreThanOne(vec!["encrypted_suffix", "encrypted_regex"]));
    }

    #[test]
    fn an_empty_field_is_an_absent_one() {
        let kept = selector(|fields| {
            fields.unencrypted_suffix = Some(String::new());
            fields.encrypted_suffix = Some("_enc".into());
        });
        assert_eq!(kept.covers(&FieldPath::from(["a_enc"])), Some(true));
    }
}
