//! Item → its encrypted parts, and what each is sealed by.
//!
//! Most items are one part: the values under their own `sops` block. A patch adds values of a second file to them. A generator
//! makes items that hold encrypted files whole, or one encrypted dotenv file with a key for each of its lines.

use std::borrow::Cow;
use std::rc::Rc;

use super::{Found, Source, SourceId, Sources, missing, one, refused};
use crate::config::Integrity;
use crate::diagnostics::{Code, Problem};
use crate::field_path::FieldPath;
use crate::krm::{DataField, Input, Item, Resource, SealedScalar, Section};
use crate::locate::Located;
use crate::origin::{self, Origin};
use crate::parallel;
use crate::policy::Sealed;
use crate::sops::{EncryptedValue, Format, Mark, Metadata, SealedFile, is_dotenv_metadata};

/// What the keys of a scattered dotenv file's metadata begin with.
const METADATA: &str = "sops_";
/// The key of its MAC.
const MAC: &str = "sops_mac";

/// An encrypted part of an item.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// The values under the item's `sops` block. Each is held by one of these.
    Values(Vec<SourceId>),
    /// The lines of an encrypted dotenv file, as values of the item. Each is held by one of these.
    Lines(Vec<SourceId>),
    /// An encrypted file, as one value of the item.
    File {
        /// Where the value stands.
        section: Section,
        /// Its key.
        key: String,
        /// How the file is written.
        format: Format,
        /// The file.
        source: SourceId,
    },
}

impl Part {
    /// What it is sealed by.
    #[must_use]
    pub fn sources(&self) -> &[SourceId] {
        match self {
            Self::Values(sources) | Self::Lines(sources) => sources,
            Self::File { source, .. } => std::slice::from_ref(source),
        }
    }
}

/// What is encrypted in an item, before anyone has looked for its sources.
#[derive(Debug)]
pub struct Encrypted {
    has_block: bool,
    /// What its values are told by; `None` where that is not known of one.
    marks: Option<Box<[Mark]>>,
    /// Few items hold any of it, and there may be thousands.
    beside: Option<Box<Beside>>,
}

/// What is encrypted beside the values under the item's `sops` block.
#[derive(Debug, Default)]
struct Beside {
    /// The positions, among the values of a Secret or `ConfigMap`, of those that are encrypted files.
    files: Vec<(usize, Format)>,
    /// The positions of those that are encrypted lines of a scattered dotenv file.
    lines: Vec<usize>,
    is_scattered: bool,
    /// The places of encrypted values that have no metadata in the item.
    orphans: Vec<String>,
}

impl Encrypted {
    /// What is encrypted in an item; `None` for nothing.
    #[must_use]
    pub fn of_item(item: &Item<'_>) -> Option<Self> {
        let has_block = item.sops().is_some();
        let beside = Beside::of_item(item, has_block);
        let marks = has_block.then(|| marks_of(item)).flatten();
        (has_block || beside.is_some()).then_some(Self { has_block, marks, beside })
    }

    /// Whether it is encrypted as a whole: there is a `sops` block.
    #[must_use]
    pub fn has_block(&self) -> bool {
        self.has_block
    }

    /// The places of encrypted values that have no metadata in the item.
    #[must_use]
    pub fn orphans(&self) -> &[String] {
        self.beside.as_ref().map_or(&[], |beside| &beside.orphans)
    }
}

impl Beside {
    fn of_item(item: &Item<'_>, has_block: bool) -> Option<Box<Self>> {
        let fields = item.data_fields();
        let mut beside = Self { is_scattered: is_scattered(&fields), ..Self::default() };
        for (at, field) in fields.iter().enumerate() {
            if beside.is_scattered && is_dotenv_metadata(field.key) {
                continue;
            }
            if let Some(format) = Format::of_content(&field.content) {
                beside.files.push((at, format));
            } else if text_of(field).is_some_and(EncryptedValue::is_claimed_by) {
                if beside.is_scattered {
                    beside.lines.push(at);
                } else if field.is_base64() {
                    beside.orphans.push(field.path());
                }
            }
        }
        if !has_block {
            // Lines of a file are values of `data`, and were looked at above.
            let of_lines =
                |sealed: &SealedScalar<'_>| beside.is_scattered && sealed.path.keys().next() == Some("data");
            let mut alone = item.sealed();
            alone.retain(|sealed| !of_lines(sealed));
            beside.orphans.extend(alone.iter().map(|sealed| sealed.path.to_string()));
        }
        let nothing = beside.files.is_empty() && !beside.is_scattered && beside.orphans.is_empty();
        (!nothing).then(|| Box::new(beside))
    }
}

fn marks_of(item: &Item<'_>) -> Option<Box<[Mark]>> {
    let mut marks = Vec::new();
    item.each_scalar(|_, node| {
        let text = node.text().filter(|text| EncryptedValue::is_claimed_by(text));
        marks.extend(text.map(EncryptedValue::mark_of));
    });
    marks.into_iter().collect()
}

/// Whether the lines of an encrypted dotenv file are among the values: metadata, and something that is encrypted. A key that is
/// only called like metadata is one like any other.
fn is_scattered(fields: &[DataField<'_>]) -> bool {
    let is_encrypted = |field: &DataField<'_>| text_of(field).is_some_and(EncryptedValue::is_claimed_by);
    fields.iter().any(|field| is_dotenv_metadata(field.key)) && fields.iter().any(is_encrypted)
}

impl Sources<'_> {
    /// The encrypted parts of an item, and what each is sealed by.
    pub fn of_item(&mut self, item: &Resource<'_>, encrypted: &Encrypted) -> Vec<Part> {
        let beside = encrypted.beside.as_deref();
        let only_values = beside.is_none();
        let annotation = item.annotation(origin::ANNOTATION).filter(|_| self.listed_path(item).is_none());
        if let Some((known, source)) = &self.last
            && only_values
            && annotation == Some(known)
        {
            return vec![Part::Values(vec![*source])];
        }
        let origin = match self.origin(item) {
            Ok(origin) => origin,
            Err(problem) => return vec![Part::Values(vec![self.add(refused(None, None, problem))])],
        };
        let mut parts = Vec::new();
        if encrypted.has_block {
            let source = self.of_origin(&origin, item);
            let is_shared = self.all.get(source.position()).and_then(Source::file).is_some();
            self.last = annotation.filter(|_| is_shared).map(|annotation| (annotation.to_owned(), source));
            parts.push(Part::Values(vec![source]));
        }
        let Some(beside) = beside else { return parts };
        let whole = item.item();
        let fields = whole.data_fields();
        for (at, format) in &beside.files {
            let Some(field) = fields.get(*at) else { continue };
            let source = self.of_file_within(item, &origin, field, *format);
            parts.push(Part::File {
                section: field.section,
                key: field.key.to_owned(),
                format: *format,
                source,
            });
        }
        if beside.is_scattered {
            parts.push(Part::Lines(self.of_lines(item, &origin, &beside.lines, &fields)));
        }
        parts
    }

    /// Where an item comes from, for people: its file where that is found, else what its annotation says.
    #[must_use]
    pub fn origin_of(&self, item: &Resource<'_>) -> Option<String> {
        let origin = self.origin(item).ok()?;
        match self.locator.origin_file(&origin) {
            Ok(located) if origin.path().is_some() => Some(located.shown),
            _ => origin.path().map(str::to_owned),
        }
    }

    /// Adds the encrypted patches that hold what the origin files of items do not.
    pub fn add_patches(
        &mut self,
        items: &[Resource<'_>],
        encrypted: &[Option<Encrypted>],
        plan: &mut [Vec<Part>],
    ) {
        if self.config.integrity == Integrity::Skip {
            return;
        }
        let work: Vec<_> = items.iter().zip(encrypted).zip(plan.iter()).collect();
        let all = &self.all;
        let incomplete = parallel::map_many(&work, |((item, encrypted), parts)| {
            let marks = encrypted.as_ref().and_then(|encrypted| encrypted.marks.as_deref());
            let first = parts.iter().find_map(|part| match part {
                Part::Values(sources) => all.get(sources.first()?.position()),
                _ => None,
            });
            first.is_some_and(|first| first.is_incomplete(item, marks))
        });
        for ((item, parts), _) in items.iter().zip(plan).zip(incomplete).filter(|(_, incomplete)| *incomplete)
        {
            for part in parts {
                if let Part::Values(sources) = part {
                    self.add_patches_of(item, sources);
                }
            }
        }
    }

    fn add_patches_of(&mut self, item: &Resource<'_>, sources: &mut Vec<SourceId>) {
        let Ok(origin) = self.origin(item) else { return };
        let whole = item.item();
        let sealed = whole.sealed();
        let mut elsewhere: Vec<(&FieldPath, &str)> =
            sealed.iter().map(|sealed| (&sealed.path, sealed.text)).collect();
        let first = sources.first().and_then(|first| self.all.get(first.position()));
        if let Some(file) = first.and_then(Source::file) {
            elsewhere.retain(|(path, text)| !holds(file, path, text));
        }
        let is_plain = first.is_some_and(Source::is_plain);
        let found = self.of_patches(item, &origin, &mut elsewhere);
        if is_plain && !found.is_empty() && elsewhere.is_empty() {
            sources.clear();
        }
        sources.extend(found);
    }

    /// The encrypted patches that hold any of these values, which are taken out of the list.
    fn of_patches(
        &mut self,
        item: &Resource<'_>,
        origin: &Origin,
        values: &mut Vec<(&FieldPath, &str)>,
    ) -> Vec<SourceId> {
        let mut found = Vec::new();
        if values.is_empty() {
            return found;
        }
        for contributor in self.contributors.of_item(item, origin, &self.locator, self.files) {
            for path in &contributor.ingredients.patches {
                for located in contributor.places(path, &self.locator) {
                    let format = Format::of_path(&located.shown);
                    let holds_any = self.parse(&located, format).is_some_and(|file| {
                        let before = values.len();
                        values.retain(|(path, text)| !holds(&file, path, text));
                        values.len() < before
                    });
                    if holds_any {
                        add_new(&mut found, self.of_located(&located, format));
                    }
                }
            }
        }
        found
    }

    /// The file that stands in an item as a whole.
    fn of_file_within(
        &mut self,
        item: &Resource<'_>,
        origin: &Origin,
        field: &DataField<'_>,
        format: Format,
    ) -> SourceId {
        let content = field.content.as_ref();
        let sealed = |sources: &Self, let_pass: &mut Vec<Problem>| {
            let text = str::from_utf8(content).unwrap_or_default();
            let file = SealedFile::parse(text, format).map_err(one)?;
            sources.whole(file, let_pass)
        };
        if let Origin::Remote { .. } = origin {
            let source = self.remote(origin, sealed);
            return self.add(source);
        }
        if *origin == Origin::Missing {
            let source = self.without_file(missing(origin).at(field.path()), sealed);
            return self.add(source);
        }
        let mut other_content = None;
        for contributor in self.contributors.of_item(item, origin, &self.locator, self.files) {
            for file in contributor.ingredients.files.iter().filter(|file| file.key == field.key) {
                for located in contributor.places(&file.path, &self.locator) {
                    if self.files.read(&located.file).is_ok_and(|bytes| bytes == content) {
                        return self.of_content(&located, format, sealed);
                    }
                    other_content = Some(located);
                }
            }
        }
        if let Ok(located) = self.locator.origin_file(origin)
            && self.stands_in(&located, field)
        {
            let ruled = self.locator.rules_for(&located);
            let source = self.judge(Some(located.shown), &ruled, sealed);
            return self.add(source);
        }
        let source = match other_content {
            Some(located) => refused(Some(located.shown), None, changed(&field.path())),
            None => self.without_file(
                unnamed(origin, "no file that a generator names has this content").at(field.path()),
                sealed,
            ),
        };
        self.add(source)
    }

    /// What a file is whose content stands in an item: what is judged and verified is that content, whatever becomes of the file
    /// meanwhile.
    pub(super) fn of_content(
        &mut self,
        located: &Located,
        format: Format,
        sealed: impl FnOnce(&Self, &mut Vec<Problem>) -> Found,
    ) -> SourceId {
        let key = (located.file.clone(), format);
        if let Some(known) = self.by_file.get(&key) {
            return *known;
        }
        let ruled = self.locator.rules_for(located);
        let source = self.judge(Some(located.shown.clone()), &ruled, sealed);
        let id = self.add(source);
        self.by_file.insert(key, id);
        id
    }

    /// Whether a file of resources holds the very same value at the same place.
    fn stands_in(&self, located: &Located, field: &DataField<'_>) -> bool {
        let text = self.files.read(&located.file).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let input = text.as_deref().and_then(|text| Input::parse(text).ok());
        input.is_some_and(|input| {
            input.items.iter().any(|item| {
                item.item().data_fields().iter().any(|other| {
                    (other.section, other.key, &other.content) == (field.section, field.key, &field.content)
                })
            })
        })
    }

    /// The dotenv files that hold the encrypted lines of an item.
    fn of_lines(
        &mut self,
        item: &Resource<'_>,
        origin: &Origin,
        lines: &[usize],
        fields: &[DataField<'_>],
    ) -> Vec<SourceId> {
        let metadata = |sources: &Self, let_pass: &mut Vec<Problem>| {
            let fields =
                fields.iter().filter_map(|field| Some((field.key.strip_prefix(METADATA)?, text_of(field)?)));
            sources.metadata_alone(Metadata::of_flat(fields), let_pass)
        };
        if let Origin::Remote { .. } = origin {
            let source = self.remote(origin, metadata);
            return vec![self.add(source)];
        }
        if *origin == Origin::Missing {
            let source = self.without_file(missing(origin), metadata);
            return vec![self.add(source)];
        }
        let mut lines: Vec<(FieldPath, &str)> = lines
            .iter()
            .filter_map(|at| fields.get(*at))
            .filter_map(|field| Some((FieldPath::from([field.key]), text_of(field)?)))
            .collect();
        let of_mac = |field: &&DataField<'_>| field.key == MAC;
        let stated = fields.iter().find(of_mac).and_then(text_of);
        let mut found = Vec::new();
        for contributor in self.contributors.of_item(item, origin, &self.locator, self.files) {
            for path in &contributor.ingredients.envs {
                for located in contributor.places(path, &self.locator) {
                    let holds_any = self.parse(&located, Format::Dotenv).is_some_and(|file| {
                        let before = lines.len();
                        lines.retain(|(path, text)| !holds(&file, path, text));
                        // A file whose values are all empty has nothing else that tells.
                        let mac = file.metadata.mac.as_ref().map(EncryptedValue::to_text);
                        lines.len() < before || (mac.is_some() && mac.as_deref() == stated)
                    });
                    if holds_any {
                        add_new(&mut found, self.of_located(&located, Format::Dotenv));
                    }
                }
            }
        }
        if found.is_empty() {
            let problem = unnamed(origin, "no dotenv file that a generator names holds these values");
            let source = self.without_file(problem, metadata);
            found.push(self.add(source));
        }
        found
    }

    /// An encrypted file, where it is one. Each is read once.
    fn parse(&mut self, located: &Located, format: Format) -> Option<Rc<SealedFile>> {
        let key = (located.file.clone(), format);
        if let Some(parsed) = self.parsed.get(&key) {
            return parsed.clone();
        }
        let parsed = self.sealed_file(located, format).ok().map(Rc::new);
        self.parsed.insert(key, parsed.clone());
        parsed
    }
}

impl Source {
    /// Its file, where it may be opened.
    fn file(&self) -> Option<&SealedFile> {
        match self.authorised.as_ref().ok()?.authorised.sealed() {
            Sealed::File(file) => Some(file),
            Sealed::Item(_) => None,
        }
    }

    /// Whether it was refused because its file is not encrypted at all.
    fn is_plain(&self) -> bool {
        let refused = self.authorised.as_ref().err();
        refused.is_some_and(|problems| problems.iter().all(|problem| problem.code == Code::NotInOrigin))
    }

    /// Whether the item has an encrypted value that the file does not hold. Where the file has all of its `marks`, nobody but a
    /// forger made it so, and whatever it is will be found out when the values are looked up.
    fn is_incomplete(&self, item: &Resource<'_>, marks: Option<&[Mark]>) -> bool {
        let Some(file) = self.file() else { return self.is_plain() };
        if marks.is_some_and(|marks| file.holds_marks(marks)) {
            return false;
        }
        let mut incomplete = false;
        item.item().each_scalar(|trail, node| {
            let text = node.text().filter(|text| EncryptedValue::is_claimed_by(text));
            incomplete |= text.is_some_and(|text| !file.holds(trail.keys(), text));
        });
        incomplete
    }
}

/// Adds a source that is not there yet: several kustomizations may list one file.
fn add_new(found: &mut Vec<SourceId>, source: SourceId) {
    if !found.contains(&source) {
        found.push(source);
    }
}

fn holds(file: &SealedFile, path: &FieldPath, text: &str) -> bool {
    file.holds(path.keys(), text)
}

fn text_of<'f>(field: &'f DataField<'_>) -> Option<&'f str> {
    match &field.content {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok(),
        Cow::Owned(bytes) => str::from_utf8(bytes).ok(),
    }
}

fn unnamed(origin: &Origin, why: &str) -> Problem {
    let problem = missing(origin).because(why.to_owned());
    match origin {
        Origin::Generated { .. } => problem.help(
            "name the file in the `files` or `envs` of its generator, or choose onMissingOrigin: metadata",
        ),
        _ => problem,
    }
}

fn changed(field: &str) -> Problem {
    Problem::new(Code::NotInOrigin, "an encrypted file in the item is not the one that its generator names")
        .at(field)
        .because("the file's content is another")
}
