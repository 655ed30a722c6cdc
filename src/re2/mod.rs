//! Regexes as SOPS reads them: Go's RE2 dialect, on the `regex` crate.
//!
//! Rules and selectors are written for the `sops` command, which compiles them with Go's `regexp` package. The `regex`
//! crate has the same engine but another dialect: there `\d`, `\w`, `\s` and `\b` are Unicode where Go's are ASCII,
//! `&&`, `--`, `~~` and `[` are operators inside a class where Go takes them literally, `{` must be escaped where Go
//! falls back to the character, `\<` is a word boundary where Go takes a `<`, and so on. A rule that means one thing
//! when a file is encrypted and another when it is decrypted is a hole. So a pattern is parsed by Go's grammar here and
//! spelled out in the parts of the `regex` crate's syntax that have one meaning only.
//!
//! The grammar is that of `regexp/syntax` with its `Perl` flags, as in Go 1.25 and 1.26, with which sops 3.13 is built.
//! Known differences, all of them refusals here: groups that nest deeper than 50 (Go: 1000), patterns whose automaton
//! needs more than 32 MiB. Only whether a pattern matches is ever asked, so greediness and captures are parsed and forgotten.

mod class;
mod translate;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;

/// The most memory that a compiled pattern may take, in bytes.
const SIZE_LIMIT: usize = 32 << 20;

/// A compiled regex of Go's RE2 dialect.
#[derive(Clone)]
pub struct Regex {
    source: String,
    compiled: regex::Regex,
}

impl Regex {
    /// Whether it matches anywhere in `text`. Like Go's, it is unanchored.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }

    /// The pattern as it was given, in Go's dialect.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Regex").field(&self.source).finish()
    }
}

/// Compiles a pattern of Go's RE2 dialect.
///
/// # Errors
/// Go would refuse it, too; why, in a few words that may quote the offending part of the pattern.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    if let Some(known) =
        LATEST.with_borrow(|latest| latest.iter().find(|regex| regex.source == pattern).cloned())
    {
        return Ok(known);
    }
    let regex = compile_anew(pattern)?;
    LATEST.with_borrow_mut(|latest| {
        latest.truncate(MOST_KEPT - 1);
        latest.insert(0, regex.clone());
    });
    Ok(regex)
}

/// How many compiled patterns are kept.
const MOST_KEPT: usize = 16;

thread_local! {
    /// The patterns that were compiled last. All files of a repository have the same selector, and compiling it takes longer than
    /// all that it is asked.
    static LATEST: RefCell<Vec<Regex>> = const { RefCell::new(Vec::new()) };
}

fn compile_anew(pattern: &str) -> Result<Regex, String> {
    let translated = translate::translate(pattern)?;
    let compiled = regex::RegexBuilder::new(&translated)
        .size_limit(SIZE_LIMIT)
        .nest_limit(4 * translate::MAX_DEPTH)
        .build()
        .map_err(|_| String::from("it is too large to compile"))?;
    Ok(Regex { source: pattern.to_owned(), compiled })
}
