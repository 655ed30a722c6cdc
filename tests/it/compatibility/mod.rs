//! What comes out of which feature, in which mode: `docs/compatibility.md` is what these tests saw.
//!
//! Each row says what it expects, and a build that differs from the oracle's is a failure, whatever the page says. What is
//! said beside it (warnings, notes) stands in the page alone: a change there is a change of the page, for review.
//! `make compatibility` writes it anew.

mod case;
mod orchestration;
mod outcome;
mod values;
mod versions;

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::support::{Mode, run};
use case::Case;
use outcome::{Expected, cell, package_cell};

/// A feature, and what has to come out of it.
struct Row {
    feature: &'static str,
    case: fn() -> Case,
    expected: Expected,
}

/// A title, and rows that belong together.
type Group = (&'static str, Vec<Row>);

const PAGE: &str = "docs/compatibility.md";

const HEAD: &str = "\
# Compatibility

What comes out of what. `make compatibility` writes this page from a test run, and `make test` fails where the page and a run differ: nothing here is written
by hand. The judges are the real tools: *decrypted* says that the build is, byte for byte, that of the same tree decrypted by `sops -d` (a filter's output after
another pass through kustomize, which writes some strings in another style). *Refused* names the code, which [errors.md](errors.md) explains. What is said on the
way stands in parentheses; kustomize keeps to itself what an exec plugin that succeeds says, so there the first column has nothing. The last column is for what
needs no kustomize: the files as a resource list with the annotations that kpt gives them.
A container function gets what an exec function gets; with the real Docker it is tried apart ([container.md](container.md)), since not every machine has one.

";

#[test]
fn the_page_is_what_a_run_shows() {
    let groups: Vec<Group> = values::groups().into_iter().chain(orchestration::groups()).collect();
    let mut page = format!("{HEAD}Run with kustomize {}, sops {}.\n", pinned("kustomize"), pinned("sops"));
    for (title, lines) in tables(&groups) {
        let _ = write!(
            page,
            "\n## {title}\n\n| feature | exec plugin | KRM exec function | filter | resource list of kpt |\n|---|---|---|---|---|\n{lines}"
        );
    }
    page.push_str(&orchestration::without_flags());
    page.push_str(&versions::table());
    let path = run::source(PAGE);
    if std::env::var_os("KRM_SOPS_WRITE").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differing: Vec<String> = page
        .lines()
        .filter(|line| !written.lines().any(|known| known == *line))
        .map(|line| format!("+ {line}"))
        .chain(
            written
                .lines()
                .filter(|line| !page.lines().any(|known| known == *line))
                .map(|line| format!("- {line}")),
        )
        .collect();
    assert!(
        written == page,
        "{PAGE} is not what this run shows; `make compatibility` writes it anew\n{}",
        differing.join("\n")
    );
}

/// Each group as a title and lines of a table. Two threads take the rows as they come.
fn tables(groups: &[Group]) -> Vec<(&'static str, String)> {
    let rows: Vec<&Row> = groups.iter().flat_map(|(_, rows)| rows).collect();
    let lines: Mutex<Vec<Option<String>>> = Mutex::new(vec![None; rows.len()]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((at, row)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    rows.get(at).map(|row| (at, row))
                } {
                    let line = catch_unwind(AssertUnwindSafe(|| line_of(row))).ok();
                    lines.lock().unwrap_or_else(PoisonError::into_inner)[at] = line;
                }
            });
        }
    });
    let lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failed: Vec<&str> =
        rows.iter().zip(&lines).filter(|(_, line)| line.is_none()).map(|(row, _)| row.feature).collect();
    assert!(failed.is_empty(), "why is above: {failed:#?}");
    let mut lines = lines.into_iter().flatten();
    groups.iter().map(|(title, rows)| (*title, lines.by_ref().take(rows.len()).collect())).collect()
}

fn line_of(row: &Row) -> String {
    let case = (row.case)();
    let cells = Mode::ALL.map(|mode| cell(row, &case, mode));
    let of_kpt = package_cell(row, &case).unwrap_or_else(|| "–".to_owned());
    format!("| {} | {} | {of_kpt} |\n", row.feature, cells.join(" | "))
}

/// The version that `scripts/tools.sh` installs of a tool.
fn pinned(tool: &str) -> String {
    let script = fs::read_to_string(run::source("scripts/tools.sh")).expect("the script");
    let version = script.lines().find_map(|line| line.strip_prefix(tool)?.strip_prefix('='));
    version.expect("a version").trim_start_matches('v').to_owned()
}
