//! The pipeline, as one readable function: text in, text out, and what there is to say.

use std::cell::OnceCell;

use crate::config::{Config, Integrity, OnUnencrypted};
use crate::diagnostics::{Code, Diagnostic, Place, Problem, Report, Severity};
use crate::files::Files;
use crate::keys::Keys;
use crate::krm::{Edits, Form, Input, Resource, Spliced};
use crate::listed::{Extended, LeftOut, extend};
use crate::locate::{Base, Locator};
use crate::master_key::KeyKind;
use crate::open::{Opened, Strictness, open};
use crate::origin::Origin;
use crate::parallel;
use crate::policy::{Authorised, Terms};
use crate::recover::Recovery;
use crate::source::{
    Asked, AwaitedKey, Covered, Encrypted, LeftAlone, Part, Source, Sources, wants_encrypted,
};
use crate::write::{OpenedPart, Said, strip_origin, strips_origin, write_item};

/// What is asked of a run.
pub struct Request<'t> {
    /// The resources, as they came.
    pub input: &'t str,
    /// Empty; what holds the input with the files behind it that the config lists, where it lists any.
    pub extended: &'t OnceCell<String>,
    /// The config that came beside them (an exec plugin's file, `--config`, `--set`); else it is the resource list's own.
    pub config: Option<Config>,
    /// Where paths start. Where it says what was built, the build is over, and so are the hashes in its names.
    pub base: Base,
}

/// What came of it.
pub struct Outcome<'t> {
    /// What stdout is to hold: decrypted resources, or on a refusal what the form of the input prescribes.
    pub stdout: Spliced<'t>,
    /// All there is to say, in order.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the build is refused.
    pub refused: bool,
}

/// Decrypts what the rules allow, or nothing at all.
///
/// `keys` makes the providers, once the config is known; they set nothing up before they are asked.
pub fn run<'t>(request: Request<'t>, files: &dyn Files, keys: impl FnOnce(&Config) -> Keys) -> Outcome<'t> {
    let Request { input: text, extended, config, base } = request;
    let (input, encrypted) = match Input::parse_with(text, Encrypted::of_item) {
        Ok(read) => read,
        Err(problem) => return refused_without_input(problem),
    };
    let mut report = Report::default();
    let prepared = read_config(&input, config).and_then(|config| {
        let origins = input.items.iter().filter_map(|item| Origin::of(|name| item.annotation(name)).ok());
        let locator = Locator::new(files, &base, &config, origins)?;
        Ok((config, locator))
    });
    let (config, locator) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => {
            report.add(Severity::Error, problem, Place::default());
            return conclude(text, &input, Edits::new(), report);
        }
    };
    let mut recovery = Recovery::new(keys(&config));
    let terms = terms(&config, recovery.keys());
    let ask = |authorised: &Authorised| Box::new(recovery.ask(authorised)) as AwaitedKey;
    let mut sources = Sources::new(files, &config, locator, terms, ask);
    let (all_text, with_files, encrypted) =
        match with_files(text, &input, &config, files, &mut sources, extended, &mut report) {
            Ok(Some((text, input, encrypted))) => (text, Some(input), encrypted),
            Ok(None) => (text, None, encrypted),
            Err(problem) => {
                report.add(Severity::Error, problem, Place::default());
                return conclude(text, &input, Edits::new(), report);
            }
        };
    let all = with_files.as_ref().unwrap_or(&input);
    let plan = survey(all, &encrypted, &config, &mut sources, &mut report);
    drop(encrypted);
    if matches!(base, Base::Built { .. }) {
        note_hashes(all, &plan, &sources, &mut report);
    }
    let sources = sources.into_all();
    let calls = recovery.close();
    let sources = unlock(sources, &config);
    let edits = write(all, &config, &plan, &sources, &mut report);
    for note in calls.finish() {
        report.add(Severity::Info, note, Place::default());
    }
    // What is refused goes back as it came, without what was put behind it.
    let (text, input) = if report.refuses() { (text, &input) } else { (all_text, all) };
    conclude(text, input, edits, report)
}

/// The text of an input, what is in it, and what was seen of that.
type Seen<'t> = (&'t str, Input<'t>, Vec<Option<Encrypted>>);

/// The input with the files that the config lists behind it; `None` where it lists none.
fn with_files<'t>(
    text: &str,
    input: &Input<'_>,
    config: &Config,
    files: &dyn Files,
    sources: &mut Sources<'_>,
    extended: &'t OnceCell<String>,
    report: &mut Report,
) -> Result<Option<Seen<'t>>, Problem> {
    if config.files.is_empty() {
        return Ok(None);
    }
    let Extended { text, left_out, files } = extend(text, input, config, files, sources)?;
    for LeftOut { file, problem } in left_out {
        report.add(Severity::Error, problem, Place { origin: Some(&file), ..Place::default() });
    }
    sources.set_listed(files);
    let text = extended.get_or_init(|| text);
    let (input, encrypted) = Input::parse_with(text, Encrypted::of_item)?;
    Ok(Some((text, input, encrypted)))
}

/// A source after its data key has been asked for: opened, or why not.
struct Unlocked {
    origin: Option<String>,
    rule: Option<String>,
    opened: Result<Opened, Vec<Problem>>,
    let_pass: Vec<Problem>,
}

fn read_config(input: &Input<'_>, given: Option<Config>) -> Result<Config, Problem> {
    match (given, input.function_config_text()) {
        (Some(config), _) => Ok(config),
        (None, Some(text)) => Config::parse(text),
        (None, None) => Ok(Config::default()),
    }
}

fn terms(config: &Config, keys: &Keys) -> Terms {
    Terms {
        role: config.aws.assume_role.clone(),
        profiles: config.aws.profiles,
        usable: KeyKind::ALL.iter().copied().filter(|kind| keys.can_unwrap(*kind)).collect(),
    }
}

/// Says once that the hashes in names are of the ciphertext, where there are any. kustomize has not seen what a listed file holds.
fn note_hashes(input: &Input<'_>, plan: &[Vec<Part>], sources: &Sources<'_>, report: &mut Report) {
    let decrypted = input.items.iter().zip(plan).filter(|(_, parts)| !parts.is_empty());
    for (item, _) in decrypted.filter(|(item, _)| is_hashed(item) && sources.listed_path(item).is_none()) {
        let what = "the hash in the name is that of the ciphertext: kustomize computed it before";
        let place = Place { item: Some(item.name()), ..Place::default() };
        report.add(Severity::Info, Problem::new(Code::HashOfCiphertext, what), place);
    }
}

/// Whether there is a hash in an item's name. A resource asks for one by an annotation; of a generator's, the name is all
/// that kustomize leaves.
fn is_hashed(item: &Resource<'_>) -> bool {
    // The 16 letters and the length of `Hash` in kustomize's `api/hasher/hasher.go`.
    let is_hash = |end: &str| end.len() == 10 && end.bytes().all(|c| b"bcdfghkmt2456789".contains(&c));
    match Origin::of(|name| item.annotation(name)) {
        Ok(Origin::Generated { .. }) => {
            item.name().name.rsplit_once('-').is_some_and(|(_, end)| is_hash(end))
        }
        _ => item.annotation("kustomize.config.k8s.io/needs-hash") == Some("true"),
    }
}

/// Finds what is encrypted, and by what; and what should be and is not.
fn survey(
    input: &Input<'_>,
    encrypted: &[Option<Encrypted>],
    config: &Config,
    sources: &mut Sources<'_>,
    report: &mut Report,
) -> Vec<Vec<Part>> {
    let of_item = |(item, encrypted): (_, &Option<Encrypted>)| {
        look_at(item, encrypted.as_ref(), config, sources, report)
    };
    let mut plan: Vec<Vec<Part>> = input.items.iter().zip(encrypted).map(of_item).collect();
    sources.add_patches(&input.items, encrypted, &mut plan);
    plan
}

fn look_at(
    item: &Resource<'_>,
    encrypted: Option<&Encrypted>,
    config: &Config,
    sources: &mut Sources<'_>,
    report: &mut Report,
) -> Vec<Part> {
    let here = Place { item: Some(item.name()), origin: None, rule: None };
    if !encrypted.is_some_and(Encrypted::has_block) && sources.listed_path(item).is_some() {
        let problem = Problem::new(Code::NotEncrypted, "a resource of a listed file is not encrypted")
            .help("encrypt the file with sops, or list it under `resources` instead of spec.files");
        report.add(Severity::Error, problem, Place { origin: sources.origin_of(item).as_deref(), ..here });
        return Vec::new();
    }
    let Some(encrypted) = encrypted else {
        refuse_plain_secret(item, config, sources, report);
        return Vec::new();
    };
    if let Some((severity, why)) = left_alone(item, encrypted, config) {
        let problem = Problem::new(Code::LeftEncrypted, "an encrypted item is left as it is").because(why);
        report.add(severity, problem, here);
        return Vec::new();
    }
    if encrypted.orphans().is_empty() {
        return sources.of_item(item, encrypted);
    }
    let origin = sources.origin_of(item);
    let problem =
        Problem::new(Code::OrphanCiphertext, "encrypted values without a `sops` block cannot be decrypted")
            .at(encrypted.orphans().join(", "));
    report.add(Severity::Error, problem, Place { origin: origin.as_deref(), ..here });
    Vec::new()
}

/// Why an encrypted item is left alone, and how bad that is.
fn left_alone(item: &Resource<'_>, encrypted: &Encrypted, config: &Config) -> Option<(Severity, String)> {
    match LeftAlone::of(item, config)? {
        LeftAlone::Annotation(name) => Some((Severity::Info, format!("its annotation {name} is disabled"))),
        LeftAlone::Kind if !encrypted.orphans().is_empty() => None,
        LeftAlone::Kind => Some((Severity::Warning, format!("spec.kinds leaves {} out", item.kind()))),
    }
}

fn refuse_plain_secret(item: &Resource<'_>, config: &Config, sources: &mut Sources<'_>, report: &mut Report) {
    if !item.is_kind("Secret") || config.on_unencrypted == OnUnencrypted::Ignore {
        return;
    }
    let Some(Covered { origin, rule, sealed }) = sources.rule_over(item, |rule| wants_encrypted(rule, item))
    else {
        return;
    };
    let here = Place { item: Some(item.name()), origin: Some(&origin), rule: None };
    match rule {
        Ok(rule) if sealed => {
            let what = "a Secret is in the clear already, and its origin file is encrypted";
            let problem = Problem::new(Code::PlainValue, what)
                .because("a transformer before this one decrypted it, or a patch replaced its values");
            report.add(Severity::Info, problem, Place { rule: Some(&rule), ..here });
        }
        Ok(rule) => {
            let severity = if config.on_unencrypted == OnUnencrypted::Refuse {
                Severity::Error
            } else {
                Severity::Warning
            };
            let problem =
                Problem::new(Code::NotEncrypted, "a Secret that a creation rule covers is not encrypted");
            report.add(severity, problem, Place { rule: Some(&rule), ..here });
        }
        Err(problem) => report.add(Severity::Error, problem, here),
    }
}

/// Opens what may be opened, each as its data key comes. All keys were asked for already: later ones come meanwhile.
fn unlock(sources: Vec<Source>, config: &Config) -> Vec<Unlocked> {
    let strictness = match config.integrity {
        Integrity::Verify => Strictness::Verified,
        Integrity::Warn | Integrity::Skip => Strictness::Lenient,
    };
    let unlock = |source| {
        let Source { origin, rule, authorised, mut let_pass } = source;
        let opened = authorised.and_then(|Asked { authorised, key }| {
            let key = key().map_err(|problem| vec![problem])?;
            let (opened, mut wrong) = open(authorised, &key, strictness)?;
            let_pass.append(&mut wrong);
            Ok(opened)
        });
        Unlocked { origin, rule, opened, let_pass }
    };
    sources.into_iter().map(unlock).collect()
}

/// Writes what was opened into the items, and reports what was not.
fn write(
    input: &Input<'_>,
    config: &Config,
    plan: &[Vec<Part>],
    sources: &[Unlocked],
    report: &mut Report,
) -> Edits {
    let work: Vec<_> = input.items.iter().zip(plan).collect();
    let written = parallel::map_many(&work, |(item, parts)| write_one(item, parts, sources, config));
    let mut edits = Edits::new();
    for (Written { edits: of_item, said, unstripped }, (item, parts)) in written.into_iter().zip(work) {
        let here = Place { item: Some(item.name()), origin: None, rule: None };
        edits.append(of_item);
        for source in parts.iter().flat_map(Part::sources).filter_map(|id| sources.get(id.position())) {
            for problem in &source.let_pass {
                report.add(Severity::Warning, problem.clone(), place_of(Some(source), here));
            }
            for problem in source.opened.as_ref().err().into_iter().flatten() {
                report.add(Severity::Error, problem.clone(), place_of(Some(source), here));
            }
        }
        for (severity, problem, source) in said {
            let source = source.and_then(|id| sources.get(id.position()));
            report.add(severity, problem, place_of(source, here));
        }
        if let Some(problem) = unstripped {
            report.add(Severity::Error, problem, here);
        }
    }
    edits
}

/// What is to be changed in an item, and what there is to say about it.
#[derive(Default)]
struct Written {
    edits: Edits,
    said: Said,
    unstripped: Option<Problem>,
}

fn write_one(item: &Resource<'_>, parts: &[Part], sources: &[Unlocked], config: &Config) -> Written {
    let mut edits = Edits::new();
    let opened = opened_parts(parts, sources);
    let is_stripped = strips_origin(!parts.is_empty(), config.strip_origin);
    if opened.is_none() && !is_stripped {
        return Written::default();
    }
    let item = item.item();
    let said = opened.map(|opened| write_item(&item, &opened, &mut edits)).unwrap_or_default();
    let unstripped = is_stripped.then(|| strip_origin(&item, &mut edits).err()).flatten();
    Written { edits: edits.settled(&item), said, unstripped }
}

/// The parts of an item with what they were opened to; `None` where there are none, or any could not be opened.
fn opened_parts<'s>(parts: &'s [Part], sources: &'s [Unlocked]) -> Option<Vec<OpenedPart<'s>>> {
    let opened = |part: &'s Part| {
        let opened =
            part.sources().iter().map(|id| Some((*id, sources.get(id.position())?.opened.as_ref().ok()?)));
        Some(OpenedPart { part, opened: opened.collect::<Option<_>>()? })
    };
    let all = parts.iter().map(opened).collect::<Option<Vec<_>>>()?;
    (!all.is_empty()).then_some(all)
}

fn place_of<'p>(source: Option<&'p Unlocked>, here: Place<'p>) -> Place<'p> {
    source.map_or(here, |source| Place {
        origin: source.origin.as_deref(),
        rule: source.rule.as_deref(),
        ..here
    })
}

/// Makes the output: all edits, or none of them. A resource list gets its results either way.
fn conclude<'t>(text: &'t str, input: &Input<'_>, edits: Edits, report: Report) -> Outcome<'t> {
    let refused = report.refuses();
    let diagnostics = report.into_diagnostics();
    let mut edits = if refused { Edits::new() } else { edits };
    if input.form == Form::ResourceList && !diagnostics.is_empty() {
        edits.set_results(input, &diagnostics);
    }
    let stdout = match input.form {
        Form::Stream if refused => Spliced::default(),
        Form::Stream | Form::ResourceList => edits.splice(text),
    };
    Outcome { stdout, diagnostics, refused }
}

fn refused_without_input(problem: Problem) -> Outcome<'static> {
    let mut report = Report::default();
    report.add(Severity::Error, problem, Place::default());
    Outcome { stdout: Spliced::default(), diagnostics: report.into_diagnostics(), refused: true }
}

#[cfg(test)]
mod tests;
