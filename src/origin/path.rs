//! Relative paths as text. Kustomize joins the paths of its annotations without a look at the disk, so they mean what
//! their text says, symbolic links or not.

/// The parts of a path that is made simple: no `.`, no empty part, `..` only in front.
fn parts(path: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts
}

/// The directory of a file, both relative to the same place.
#[must_use]
pub fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A path that is relative to a directory, as one relative to what the directory is relative to.
#[must_use]
pub fn join(directory: &str, path: &str) -> String {
    parts(&format!("{directory}/{path}")).join("/")
}

/// The way from one directory to a file, both relative to the same unknown place.
///
/// `None` where the way leads down through a directory whose name only `..` tells: from `../a` to `b`, the way is
/// `../NAME/b`, and nobody has said what the name is.
#[must_use]
pub fn relative(from: &str, to: &str) -> Option<String> {
    let (from, to) = (parts(from), parts(to));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let (up, down) = (from.get(common..)?, to.get(common..)?);
    if up.contains(&"..") {
        return None;
    }
    let way: Vec<&str> = std::iter::repeat_n("..", up.len()).chain(down.iter().copied()).collect();
    Some(way.join("/"))
}

/// What is left of a path below a directory, both relative to the same unknown place. `None` where it is not below it, or
/// nobody can tell.
#[must_use]
pub fn below(directory: &str, path: &str) -> Option<String> {
    relative(directory, path).filter(|way| parts(way).first() != Some(&".."))
}

/// How many directories up a path begins with.
#[must_use]
pub fn levels_up(path: &str) -> usize {
    parts(path).iter().take_while(|part| **part == "..").count()
}

/// Where the directory of the config file may be: paths relative to C, the directory of the kustomization that declares
/// the transformer, the likeliest first.
///
/// `directory` is the config's own, relative to the directory that is being built: kustomize's way from there to C,
/// followed by the transformer's path as C's kustomization names it, and made simple. So some of its last names lie
/// below C, or below a directory above C; and those before them, as far as they are not `..`, end the path of that
/// directory. `c` is C's absolute path, where it is known; `highest` bounds how far above C to look.
///
/// Last come the places below C whose way does not fit C's path: kustomize resolves the symbolic links of C, and not
/// those of annotations.
#[must_use]
pub fn config_directories(directory: &str, c: Option<&str>, highest: usize) -> Vec<String> {
    let names: Vec<&str> = parts(directory).into_iter().filter(|part| *part != "..").collect();
    let c = c.map(parts);
    let highest = c.as_ref().map_or(highest, |c| highest.min(c.len()));
    let mut found = Vec::new();
    let mut add = |up: usize, below: &[&str]| {
        let place: Vec<&str> = std::iter::repeat_n("..", up).chain(below.iter().copied()).collect();
        let place = place.join("/");
        if !found.contains(&place) {
            found.push(place);
        }
    };
    for up in 0..=highest {
        // A name that C's path confirms says more than one that it does not: from the longest way to the shortest.
        for split in (0..=names.len()).rev() {
            let (way, below) = names.split_at(split);
            let confirmed =
                c.as_ref().is_none_or(|c| c.get(..c.len() - up).unwrap_or_default().ends_with(way));
            if confirmed {
                add(up, below);
            }
        }
    }
    for split in (0..=names.len()).rev() {
        add(0, names.get(split..).unwrap_or_default());
    }
    found
}

/// The host and the path of a file that kustomize loaded by its URL. It takes the URL for a path, and makes that simple:
/// `https:/example.com/secret.yaml`.
#[must_use]
pub fn of_url(path: &str) -> Option<(String, String)> {
    let parts = parts(path);
    let scheme = parts.iter().position(|part| matches!(*part, "http:" | "https:"))?;
    let (scheme, rest) = parts.get(scheme..)?.split_first()?;
    let (host, rest) = rest.split_first()?;
    Some((format!("{scheme}//{host}"), rest.join("/")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ways_between_relative_paths() {
        for (from, to, way) in [
            ("../../overlay", "../../secrets/db.yaml", Some("../secrets/db.yaml")),
            ("", "secrets/db.yaml", Some("secrets/db.yaml")),
            ("", "../../secrets/db.yaml", Some("../../secrets/db.yaml")),
            ("conf", "db.yaml", Some("../db.yaml")),
            ("../base", "../base/db.yaml", Some("db.yaml")),
            ("../base", "db.yaml", None),
            ("../..", "../db.yaml", None),
            ("./a/../b", "b/c.yaml", Some("c.yaml")),
        ] {
            assert_eq!(relative(from, to).as_deref(), way, "{from} → {to}");
        }
    }

    #[test]
    fn what_is_left_below_a_directory() {
        for (directory, path, left) in [
            ("", "a/b", Some("a/b")),
            (".", "a/b", Some("a/b")),
            ("a/", "a/b", Some("b")),
            ("a", "a", Some("")),
            ("..", "../b", Some("b")),
            ("a", "b", None),
            ("a", "ab/c", None),
            ("", "../b", None),
            ("..", "b", None),
        ] {
            assert_eq!(below(directory, path).as_deref(), left, "{directory} {path}");
        }
    }

    #[test]
    fn where_the_config_may_lie() {
        let first = |directory, c| config_directories(directory, Some(c), 2);
        // Beside the kustomization that is being built, in a folder of it, beside a base.
        assert_eq!(first("", "/repo"), ["", ".."]);
        assert_eq!(first("conf", "/repo")[..2], ["conf", "../conf"]);
        assert_eq!(first("../../overlay", "/repo/overlay")[0], "");
        assert_eq!(first("../base/conf", "/repo/base")[..2], ["conf", "base/conf"]);
        assert_eq!(first("a/a", "/repo/a")[..2], ["a", "a/a"]);
        // Beside C, which is being built; beside a base below it; beside a base beside it.
        assert!(first("../t", "/repo/overlay").contains(&"../t".into()));
        assert!(first("t", "/base").contains(&"../t".into()));
        assert!(first("../../t", "/x/base").contains(&"../t".into()));
        // Beside a base behind a symbolic link.
        assert!(first("../link", "/real/base").contains(&String::new()));
        // Nobody knows C.
        assert_eq!(config_directories("../base/conf", None, 0), ["", "conf", "base/conf"]);
    }

    #[test]
    fn urls_that_were_taken_for_paths() {
        let url = |path| of_url(path).map(|(host, path)| format!("{host} {path}"));
        assert_eq!(url("https:/example.com/a/s.yaml").as_deref(), Some("https://example.com a/s.yaml"));
        assert_eq!(url("../base/http:/example.com/s.yaml").as_deref(), Some("http://example.com s.yaml"));
        assert_eq!(url("secrets/https/s.yaml"), None);
        assert_eq!(url("https:"), None);
    }

    proptest! {
        #[test]
        fn a_way_leads_there(from in "([ab]/){0,3}", to in "([ab]/){0,3}c", up in 0_usize..3) {
            let up = "../".repeat(up);
            let (from, to) = (format!("{up}{from}"), format!("{up}{to}"));
            let way = relative(&from, &to).unwrap();
            prop_assert_eq!(join(&from, &way), join("", &to));
        }

        /// However kustomize gets to C and C's kustomization to the config: the place where the config is, is among those
        /// that are found.
        #[test]
        fn the_place_of_the_config_is_found(
            built in "(/[abc]){1,4}",
            way in "(\\.\\./){0,3}([abc]/){0,2}",
            named in "(\\.\\./){0,2}([abc]/){0,2}",
        ) {
            let c = join(&built, &way);
            // Kustomize cannot go above the root of the file system.
            prop_assume!(!c.starts_with("..") && !join(&c, &named).starts_with(".."));
            let places = config_directories(&join(&way, &named), Some(&c), 100);
            let real = join(&c, &named);
            prop_assert!(places.iter().any(|place| join(&c, place) == real), "{:?} {}", places, real);
        }
    }
}
