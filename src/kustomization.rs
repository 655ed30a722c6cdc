//! A kustomization, or a generator or patch transformer of its own → the files that it takes values from.
//!
//! kustomize's annotations name a generator and not its files, and no patch at all. So the files are found where kustomize
//! was told of them. Nothing here decides anything: a file counts only where it holds the very ciphertext.

use crate::yaml::{self, Node};

/// The names under which kustomize looks for a kustomization, in its order.
pub const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The files that values come from; paths as they are written, relative to the kustomization's directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ingredients {
    /// Files that become values, by the key that they get.
    pub files: Vec<KeyedFile>,
    /// dotenv files, whose lines become values.
    pub envs: Vec<String>,
    /// Patches in files.
    pub patches: Vec<String>,
    /// What may be directories with kustomizations of their own, or files of resources.
    pub parts: Vec<String>,
    /// What may be files of generators and transformers, or directories of such.
    pub plugins: Vec<String>,
}

/// A file and the key that its content gets.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyedFile {
    /// The key.
    pub key: String,
    /// The path.
    pub path: String,
}

impl Ingredients {
    /// Reads a kustomization, or a resource of kustomize's own kinds. What is not readable, or of another kind, names nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for document in yaml::parse(text).unwrap_or_default() {
            let root = &document.root;
            match root.find("kind").and_then(Node::text) {
                None | Some("Kustomization" | "Component") => found.add_kustomization(root),
                Some("SecretGenerator" | "ConfigMapGenerator") => found.add_generator(root),
                Some("PatchTransformer") => found.add_patch(root.find("path")),
                Some("PatchStrategicMergeTransformer") => found.add_patches(root.find("paths")),
                Some(_) => {}
            }
        }
        found
    }

    fn add_kustomization(&mut self, root: &Node<'_>) {
        for generators in ["secretGenerator", "configMapGenerator"] {
            root.find(generators).into_iter().flat_map(Node::items).for_each(|each| self.add_generator(each));
        }
        root.find("patches")
            .into_iter()
            .flat_map(Node::items)
            .for_each(|each| self.add_patch(each.find("path")));
        self.add_patches(root.find("patchesStrategicMerge"));
        let paths = |fields: &[&str]| -> Vec<String> {
            let all = fields.iter().flat_map(|field| texts(root.find(field)));
            // What has lines is a resource itself.
            all.filter(|path| !path.contains('\n')).map(str::to_owned).collect()
        };
        self.parts.extend(paths(&["resources", "bases", "components"]));
        self.plugins.extend(paths(&["generators", "transformers"]));
    }

    fn add_generator(&mut self, generator: &Node<'_>) {
        for file in texts(generator.find("files")) {
            // `key=path`, or a path whose last name is the key.
            let (key, path) = match file.split_once('=') {
                Some(named) => named,
                None => (file.rsplit('/').next().unwrap_or(file), file),
            };
            self.files.push(KeyedFile { key: key.to_owned(), path: path.to_owned() });
        }
        self.envs.extend(texts(generator.find("envs")).map(str::to_owned));
        self.envs.extend(generator.find("env").and_then(Node::text).map(str::to_owned));
    }

    fn add_patch(&mut self, path: Option<&Node<'_>>) {
        self.patches.extend(path.and_then(Node::text).map(str::to_owned));
    }

    /// Of a list that may hold patches themselves beside paths to some.
    fn add_patches(&mut self, paths: Option<&Node<'_>>) {
        self.patches.extend(texts(paths).filter(|path| !path.contains('\n')).map(str::to_owned));
    }
}

fn texts<'n>(list: Option<&'n Node<'_>>) -> impl Iterator<Item = &'n str> {
    list.into_iter().flat_map(Node::items).filter_map(Node::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn files(ingredients: &Ingredients) -> Vec<(&str, &str)> {
        ingredients.files.iter().map(|file| (file.key.as_str(), file.path.as_str())).collect()
    }

    #[test]
    fn what_a_kustomization_takes_from_files() {
        let found = Ingredients::parse(
            "secretGenerator:\n- name: a\n  files: [x/tls.key, key=y=z.enc]\n  envs: [a.env]\n  literals: [L=1]\n\
             configMapGenerator:\n- env: b.env\n- literals: [M=2]\n\
             resources: [r.yaml, ../base]\ncomponents: [c]\ngenerators: [g.yaml, \"a: b\\n\"]\n\
             patches:\n- path: p.yaml\n- patch: |\n    a: b\n\
             patchesStrategicMerge:\n- q.yaml\n- |-\n  a: b\n  c: d\n",
        );
        assert_eq!(files(&found), [("tls.key", "x/tls.key"), ("key", "y=z.enc")]);
        assert_eq!(found.envs, ["a.env", "b.env"]);
        assert_eq!(found.patches, ["p.yaml", "q.yaml"]);
        assert_eq!((found.parts, found.plugins), (owned(&["r.yaml", "../base", "c"]), owned(&["g.yaml"])));
    }

    #[test]
    fn what_kustomizes_own_resources_take_from_files() {
        let found = Ingredients::parse(
            "apiVersion: builtin\nkind: SecretGenerator\nfiles: [a]\nenvs: [b]\n---\nkind: PatchTransformer\npath: c\n---\n\
             kind: PatchStrategicMergeTransformer\npaths: [d]\n---\nkind: Secret\nfiles: [e]\nsecretGenerator: [{files: [f]}]\n",
        );
        assert_eq!(files(&found), [("a", "a")]);
        assert_eq!((found.envs, found.patches), (owned(&["b"]), owned(&["c", "d"])));
    }

    #[test]
    fn what_cannot_be_read_names_nothing() {
        for text in ["", "[", "a", "secretGenerator: a", "secretGenerator: [a, {files: b}, {files: [[c]]}]"] {
            assert_eq!(Ingredients::parse(text), Ingredients::default(), "{text}");
        }
    }
}
