//! `install`: this program, copied to where it is needed. An image without a shell has no `cp`, and nobody should have to
//! know by heart where kustomize looks for a plugin.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{print, refuse};
use crate::config::{API_VERSION, KIND};
use crate::diagnostics::{Code, Problem};
use crate::edge::{self, Disk};
use crate::files::Files;

/// The program's name in a directory.
const NAME: &str = "krm-sops";
/// The variable that names kustomize's plugin directory, whatever else there is.
const PLUGIN_HOME: &str = "KUSTOMIZE_PLUGIN_HOME";

/// Copies the program into a directory, as `krm-sops`.
#[must_use]
pub fn binary(directory: &Path) -> ExitCode {
    let target = directory.join(NAME);
    match place(&target) {
        Ok(()) => print(&format!("installed krm-sops {} as {}\n", version(), target.display())),
        Err(problem) => refuse(problem),
    }
}

/// Lays the program as kustomize's exec plugin below a plugin directory; without one, below that which kustomize uses.
#[must_use]
pub fn plugin(home: Option<&Path>) -> ExitCode {
    let used = used_home(edge::directory_in, |path| Disk.exists(path));
    let Some(home) = home.map(Path::to_owned).or_else(|| used.clone()) else {
        return refuse(
            Problem::new(Code::NotWritten, "there is no place for kustomize's plugins")
                .because(format!("none of {PLUGIN_HOME}, XDG_CONFIG_HOME and HOME is set"))
                .help("name the directory: krm-sops install --plugin DIR"),
        );
    };
    let directory = home.join(API_VERSION).join(KIND.to_lowercase());
    let made = edge::make_directories(&directory).map_err(|why| not_written(&directory, &why));
    let target = directory.join(KIND);
    match made.and_then(|()| place(&target)) {
        Ok(()) => print(&said(&target, &home, used.as_deref())),
        Err(problem) => refuse(problem),
    }
}

/// The directory in which kustomize looks for plugins, or would if it were there (source: `DefaultAbsPluginHome` in
/// kustomize's `api/konfig/plugins.go`: the first that exists; only there is looked).
fn used_home(variable: impl Fn(&str) -> Option<PathBuf>, exists: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    // Who sets this one means it, even if the directory is still to be made.
    if let Some(named) = variable(PLUGIN_HOME) {
        return Some(named);
    }
    let below = |directory: PathBuf| directory.join("kustomize").join("plugin");
    let home = variable("HOME");
    let configured = [variable("XDG_CONFIG_HOME"), home.clone().map(|home| home.join(".config"))];
    let candidates: Vec<PathBuf> = configured.into_iter().chain([home]).flatten().map(below).collect();
    // A new one before an old one would hide the plugins that are there already.
    let there = candidates.iter().find(|candidate| exists(candidate));
    there.or(candidates.first()).cloned()
}

fn place(target: &Path) -> Result<(), Problem> {
    let program = edge::own_program().map_err(|why| {
        Problem::new(Code::NotWritten, "the program cannot be found that is to be copied").because(why)
    })?;
    edge::place_program(&program, target).map_err(|(path, why)| not_written(&path, &why))
}

fn not_written(path: &Path, why: &str) -> Problem {
    Problem::new(Code::NotWritten, "krm-sops cannot be installed")
        .because(format!("{}: {why}", path.display()))
}

fn said(target: &Path, home: &Path, used: Option<&Path>) -> String {
    let installed = format!("installed krm-sops {} as {}\n", version(), target.display());
    if used == Some(home) {
        installed + "kustomize build --enable-alpha-plugins finds it there\n"
    } else {
        format!("{installed}kustomize finds it with {PLUGIN_HOME}={}\n", home.display())
    }
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the plugin goes with these variables, when these directories are there.
    fn used(variables: &[(&str, &str)], there: &[&str]) -> Option<String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, path)| PathBuf::from(path))
        };
        let exists = |path: &Path| there.iter().any(|known| Path::new(known) == path);
        used_home(variable, exists).map(|path| path.display().to_string())
    }

    #[test]
    fn the_plugin_goes_where_kustomize_looks_first() {
        let home = ("HOME", "/home/a");
        let xdg = ("XDG_CONFIG_HOME", "/xdg");
        let named = ("KUSTOMIZE_PLUGIN_HOME", "/named");
        let (of_home, of_xdg) = ("/home/a/.config/kustomize/plugin", "/xdg/kustomize/plugin");
        assert_eq!(used(&[], &[]), None);
        assert_eq!(used(&[home], &[]).as_deref(), Some(of_home));
        assert_eq!(used(&[home, xdg], &[]).as_deref(), Some(of_xdg));
        assert_eq!(used(&[home, xdg], &[of_home]).as_deref(), Some(of_home));
        assert_eq!(used(&[home, xdg], &[of_home, of_xdg]).as_deref(), Some(of_xdg));
        assert_eq!(used(&[home, xdg, named], &[of_home, of_xdg]).as_deref(), Some("/named"));
        assert_eq!(used(&[home], &["/home/a/kustomize/plugin"]).as_deref(), Some("/home/a/kustomize/plugin"));
    }
}
