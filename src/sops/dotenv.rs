//! dotenv files as SOPS reads and writes them (`stores/dotenv/store.go` in sops 3.13): a line is a comment or `KEY=value`, a
//! newline in a value is `\n`, nothing is quoted, and metadata are keys that begin with `sops_`.

use std::borrow::Cow;

use super::scalar::Scalar;
use super::tree::{Entries, Tree};
use crate::diagnostics::{Code, Problem};

/// What the keys of metadata begin with.
const METADATA: &str = "sops_";

/// A line that is no metadata.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'t> {
    /// The text behind its `#`.
    Comment(&'t str),
    /// A key, and the value as it is written.
    Entry { key: &'t str, value: &'t str },
}

/// The values, and the metadata under their flat names.
///
/// # Errors
/// `bad-metadata`: a line is neither comment nor entry.
pub(super) fn parse(text: &str) -> Result<(Entries, Entries), Problem> {
    let (mut values, mut metadata) = (Entries::new(), Entries::new());
    for line in all_lines(text) {
        if let Line::Entry { key, value } = line? {
            let value = Tree::Scalar(Scalar::Text(Cow::Owned(value.replace("\\n", "\n").into_bytes())));
            match key.strip_prefix(METADATA) {
                Some(name) => metadata.push((name.to_owned(), value)),
                None => values.push((key.to_owned(), value)),
            }
        }
    }
    Ok((values, metadata))
}

/// The lines that stay when the file is decrypted.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let is_metadata = |line: &Line<'_>| matches!(line, Line::Entry { key, .. } if key.starts_with(METADATA));
    all_lines(text).flatten().filter(move |line| !is_metadata(line))
}

fn all_lines(text: &str) -> impl Iterator<Item = Result<Line<'_>, Problem>> {
    let numbered = text.split('\n').enumerate().filter(|(_, line)| !line.is_empty());
    numbered.map(|(index, line)| match (line.strip_prefix('#'), line.split_once('=')) {
        (Some(comment), _) => Ok(Line::Comment(comment)),
        (None, Some((key, value))) => Ok(Line::Entry { key, value }),
        (None, None) => Err(Problem::new(Code::BadMetadata, "the file is no dotenv file that sops wrote")
            .because(format!("line {} has no `=`", index + 1))
            .help("restore the file from version control")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_comments_or_entries() {
        let text = "# a=b\n\nA=1=2\nB=x\\ny\r\nsops_mac=m\n =v\nC=\n";
        let (values, metadata) = parse(text).unwrap();
        let shown = |entries: &Entries| -> Vec<String> {
            let show = |(key, value): &(String, Tree)| match value {
                Tree::Scalar(scalar) => format!("{key}: {:?}", scalar.as_str().unwrap()),
                _ => panic!("no scalar"),
            };
            entries.iter().map(show).collect()
        };
        assert_eq!(shown(&values), [r#"A: "1=2""#, r#"B: "x\ny\r""#, r#" : "v""#, r#"C: """#]);
        assert_eq!(shown(&metadata), [r#"mac: "m""#]);
        let kept: Vec<Line<'_>> = lines(text).collect();
        assert_eq!(kept.len(), 5);
        assert_eq!(kept.first(), Some(&Line::Comment(" a=b")));
    }

    #[test]
    fn a_line_without_an_equals_sign_is_refused_and_not_shown() {
        let problem = parse("A=1\nhunter2\n").unwrap_err();
        assert_eq!(problem.causes, ["line 2 has no `=`"]);
    }
}
