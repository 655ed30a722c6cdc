//! The files that `spec.files` lists → the input, with their resources behind its own.
//!
//! So krm-sops is a generator, too, as KSOPS is one. From there on such a resource is like any other: found to be encrypted,
//! judged by the rule over its file, verified, and written by splice. Only where it comes from is not read from an annotation.

use std::collections::HashSet;
use std::ops::Range;

use crate::config::Config;
use crate::diagnostics::{Code, Problem};
use crate::files::Files;
use crate::krm::{Form, Input, is_resource_list};
use crate::locate::{Located, Locator};
use crate::source::{LeftAlone, Sources};
use crate::yaml::{self, Content};

/// What all files and the input may come to, as one of them may. Bytes.
const LARGEST: usize = 256 * 1024 * 1024;

/// What a file is for that is no resource.
const FOR_VALUES: &str = "what becomes a value of a Secret (INI, dotenv, any other file) goes into a `secretGenerator`, with \
                          krm-sops as transformer; spec.files takes resources";

/// An input with the resources of files behind its own.
#[derive(Debug)]
pub struct Extended {
    /// The whole text.
    pub text: String,
    /// What is wrong with files that were left out.
    pub left_out: Vec<LeftOut>,
    /// Where in the text the resources of each file stand, and its path as it is listed.
    pub files: Vec<(Range<usize>, String)>,
}

/// A file that is not there or holds no resources.
#[derive(Debug)]
pub struct LeftOut {
    /// The file, as people know it.
    pub file: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Puts the files that the config lists behind the input. Whatever is wrong with a file is said of that file, which is left out.
///
/// # Errors
/// `bad-input`: the input is a resource list in a form that nothing can be added to, or all of it is too large.
pub fn extend(
    text: &str,
    input: &Input<'_>,
    config: &Config,
    files: &dyn Files,
    sources: &mut Sources<'_>,
) -> Result<Extended, Problem> {
    let (read, left_out) = read_all(config, files, sources);
    let length = read.iter().map(|file| file.text.len()).sum::<usize>().saturating_add(text.len());
    if length > LARGEST {
        return Err(Problem::new(Code::BadInput, "the listed files are too large together")
            .because(format!("they and the input are larger than {} MiB", LARGEST >> 20))
            .help("list them in several generators"));
    }
    let last = input.items.last().filter(|_| !text.ends_with('\n'));
    if last.is_some_and(|item| item.item().node().ends_in_block_scalar()) {
        return Err(Problem::new(Code::BadInput, "the files of spec.files cannot be put behind the input")
            .because("its last value is a block that no line break ends: with one, it is another value")
            .help("end the input with a line break"));
    }
    let mut extended = Extended { text: String::new(), left_out, files: Vec::new() };
    match input.form {
        Form::Stream => extended.add_to_stream(text, read),
        Form::ResourceList => extended.add_to_list(text, input, read)?,
    }
    Ok(extended)
}

/// The files that the config lists, each taken in by `sources` as soon as it is read.
fn read_all(config: &Config, files: &dyn Files, sources: &mut Sources<'_>) -> (Vec<Read>, Vec<LeftOut>) {
    let (mut read, mut left_out, mut known) = (Vec::new(), Vec::new(), HashSet::new());
    for path in &config.files {
        let located = match sources.locator().listed_file(path) {
            Ok(located) => located,
            Err(problem) => {
                left_out.push(LeftOut { file: path.clone(), problem: advised(problem) });
                continue;
            }
        };
        let file = if known.insert(located.file.clone()) {
            read_file(&located, files, config, sources.locator())
        } else {
            Err(Problem::new(Code::BadConfig, "a file is listed twice").at("spec.files"))
        };
        match file {
            Ok((text, is_needed)) => {
                if is_needed {
                    sources.add_listed_file(&located, &text);
                }
                read.push(Read { path: path.clone(), text });
            }
            Err(problem) => left_out.push(LeftOut { file: located.shown, problem }),
        }
    }
    (read, left_out)
}

fn advised(problem: Problem) -> Problem {
    match problem.code {
        Code::OriginNotFound => problem.help(
            "correct spec.files: its paths are relative to the directory of the kustomization that lists the generator; in a \
             container, mount what they lead to",
        ),
        _ => problem,
    }
}

/// A file as it was read.
struct Read {
    /// Its path as it is listed.
    path: String,
    text: String,
}

/// The text of a file, once it is known to hold nothing but resources; and whether any of them is to be decrypted.
fn read_file(
    located: &Located,
    files: &dyn Files,
    config: &Config,
    locator: &Locator<'_>,
) -> Result<(String, bool), Problem> {
    let bytes = files.read(&located.file).map_err(|error| {
        let problem = Problem::new(Code::OriginNotFound, "a listed file cannot be read");
        locator.with_help_to_read(problem.because(error.to_string()), &error)
    })?;
    let text = String::from_utf8(bytes).map_err(|_| no_resource("it is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if text.starts_with('%') || text.contains("\n%") {
        // It would have to stand behind the end of a document, and sops writes none.
        return Err(no_resource("it has a YAML directive"));
    }
    let input = Input::documents(&text)
        .map_err(|problem| problem.causes.iter().fold(no_resource(&problem.what), Problem::because))?;
    if input.items.is_empty() {
        return Err(no_resource("it is empty"));
    }
    if input.items.iter().any(|item| item.kind().is_empty() || item.api_version().is_empty()) {
        return Err(no_resource("a document of it has no apiVersion or no kind"));
    }
    if input.items.iter().any(is_resource_list) {
        return Err(no_resource("it is a ResourceList, which functions send to each other"));
    }
    let is_needed = input.items.iter().any(|item| LeftAlone::of(item, config).is_none());
    let last_ends_in_block = || {
        yaml::parse(&text).is_ok_and(|all| all.last().is_some_and(|last| last.root.ends_in_block_scalar()))
    };
    if !text.ends_with('\n') && last_ends_in_block() {
        // With a line break behind it, it is another value.
        return Err(no_resource("its last value is a block that no line break ends"));
    }
    Ok((text, is_needed))
}

fn no_resource(why: &str) -> Problem {
    Problem::new(Code::BadInput, "a listed file does not hold resources").because(why).help(FOR_VALUES)
}

impl Extended {
    /// Each file is documents of the stream, as it is.
    fn add_to_stream(&mut self, text: &str, files: Vec<Read>) {
        let length: usize = files.iter().map(|file| file.text.len() + "---\n\n".len()).sum();
        self.text.reserve_exact(text.len() + 1 + length);
        self.text.push_str(text);
        for Read { path, text } in files {
            end_line(&mut self.text);
            self.text.push_str("---\n");
            let start = self.text.len();
            self.text.push_str(&text);
            self.files.push((start..self.text.len(), path));
        }
    }

    /// Each document of a file is an item of the list, indented as a whole.
    fn add_to_list(&mut self, text: &str, input: &Input<'_>, files: Vec<Read>) -> Result<(), Problem> {
        let room = input.room_for_items().ok_or_else(|| {
            Problem::new(Code::BadInput, "the files of spec.files cannot be added to this resource list")
                .because("it is not written in block style, as kustomize and kpt write it")
        })?;
        self.text.push_str(text.get(..room.place.start).unwrap_or_default());
        end_line(&mut self.text);
        self.text.push_str(&room.before);
        for Read { path, text: own } in files {
            let start = self.text.len();
            for document in yaml::parse(&own).unwrap_or_default() {
                // An empty one is none.
                if matches!(document.root.content, Content::Mapping { .. }) {
                    self.add_item(
                        own.get(whole_lines(&own, document.range)).unwrap_or_default(),
                        room.indent,
                    );
                }
            }
            self.files.push((start..self.text.len(), path));
        }
        self.text.push_str(text.get(room.place.end..).unwrap_or_default());
        Ok(())
    }

    fn add_item(&mut self, document: &str, indent: usize) {
        let mut lead = "- ";
        for line in document.strip_suffix('\n').unwrap_or(document).split('\n') {
            if !line.trim_end_matches('\r').is_empty() {
                self.text.extend(std::iter::repeat_n(' ', indent));
                self.text.push_str(lead);
                self.text.push_str(line);
                lead = "  ";
            }
            self.text.push('\n');
        }
    }
}

/// The same with the spaces before it: the other lines of a document stand as far in as its first.
fn whole_lines(text: &str, range: Range<usize>) -> Range<usize> {
    let before = text.get(..range.start).unwrap_or_default();
    let spaces = before.len() - before.trim_end_matches(' ').len();
    let is_first = before.len() == spaces || before.trim_end_matches(' ').ends_with('\n');
    if is_first { range.start - spaces..range.end } else { range }
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests;
