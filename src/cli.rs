//! How the process is started: as a function, as an exec plugin, or by a person.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands;
use crate::config::Config;
use crate::diagnostics::{Code, Problem};
use crate::edge::{self, Disk};
use crate::files::Files;
use crate::locate::Base;

/// Decrypts SOPS-encrypted Secrets inside `kustomize build`, by the creation rule that covers the file they came from.
///
/// Alone, with resources on stdin, it is the function that kustomize and kpt start.
#[derive(Parser)]
#[command(name = "krm-sops", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const INSTALL_HELP: &str = "\
Examples:
  krm-sops install /custom-tools    as /custom-tools/krm-sops
  krm-sops install --plugin         below the first of these that is there: $KUSTOMIZE_PLUGIN_HOME,
                                    $XDG_CONFIG_HOME/kustomize/plugin, ~/.config/kustomize/plugin";

#[derive(Subcommand)]
enum Command {
    /// Decrypt what `kustomize build DIR` printed, without any plugin flag
    #[command(after_help = "Example: kustomize build DIR | krm-sops decrypt -C DIR | kubectl apply -f -")]
    Decrypt {
        /// The directory that was built
        #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
        directory: PathBuf,
        /// A file with the function config; its paths are relative to its own directory
        #[arg(long, value_name = "FILE", conflicts_with = "set")]
        config: Option<PathBuf>,
        /// One field of the config, such as --set integrity=warn; may be given several times
        #[arg(long, value_name = "FIELD=VALUE")]
        set: Vec<String>,
    },
    /// Say which .sops.yaml, which rule, which keys and roles stand over files, without keys or network
    Explain {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Find what a build would refuse, in a tree, without keys or network
    Check {
        /// The tree
        #[arg(value_name = "DIR", default_value = ".")]
        directory: PathBuf,
    },
    /// Write a starter transformer, and show the two lines for kustomization.yaml
    Init {
        /// Where the kustomization is
        #[arg(value_name = "DIR", default_value = ".")]
        directory: PathBuf,
    },
    /// Pass a built manifest through, and fail if any ciphertext is left in it
    Gate,
    /// Copy this program to where it is needed; for images without a shell, and for kustomize's plugins
    #[command(after_help = INSTALL_HELP)]
    Install {
        /// Lay it where kustomize looks for exec plugins; DIR is then what `KUSTOMIZE_PLUGIN_HOME` is to be
        #[arg(long)]
        plugin: bool,
        /// The directory, in which it will be named krm-sops
        #[arg(value_name = "DIR", required_unless_present = "plugin")]
        directory: Option<PathBuf>,
    },
    /// Print the JSON Schema of the function config
    Schema,
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Runs what the arguments ask for.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = edge::arguments();
    match (edge::plugin_root(), arguments.as_slice()) {
        (Some(root), [config, ..]) if !is_command(config) => as_plugin(&root, Path::new(config)),
        (_, []) if !edge::stdin_is_terminal() => {
            commands::decrypt::run_on_stdin(Base::Function { directory: edge::working_directory() }, None)
        }
        _ => by_hand(arguments),
    }
}

fn is_command(argument: &OsString) -> bool {
    let known = Cli::command();
    let name = argument.to_str().unwrap_or_default();
    name.starts_with('-')
        || name == "help"
        || known.get_subcommands().any(|command| command.get_name() == name)
}

/// kustomize passes the config as a file, and leaves nothing on stdin but resources.
fn as_plugin(root: &Path, config: &Path) -> ExitCode {
    match read_config(config) {
        Ok(config) => {
            commands::decrypt::run_on_stdin(Base::Function { directory: root.to_owned() }, Some(config))
        }
        Err(problem) => commands::refuse(problem),
    }
}

fn by_hand(arguments: Vec<OsString>) -> ExitCode {
    let arguments = std::iter::once(OsString::from("krm-sops")).chain(arguments);
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command }) => dispatch(command),
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                edge::write_stderr(&text);
                ExitCode::from(2)
            } else {
                commands::print(&text)
            }
        }
    }
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Decrypt { directory, config, set } => {
            let directory = edge::working_directory().join(directory);
            match given_config(config.as_deref(), &set) {
                Ok(given) => {
                    let config_directory =
                        config.and_then(|file| Some(edge::working_directory().join(file.parent()?)));
                    let config_directory = config_directory.unwrap_or_else(|| directory.clone());
                    commands::decrypt::run_on_stdin(Base::Built { directory, config_directory }, Some(given))
                }
                Err(problem) => commands::refuse(problem),
            }
        }
        Command::Explain { files } => commands::explain::run(&files),
        Command::Check { directory } => commands::check::run(&directory),
        Command::Init { directory } => commands::init::run(&directory),
        Command::Gate => commands::gate::run(),
        Command::Install { plugin: false, directory } => {
            commands::install::binary(&directory.unwrap_or_default())
        }
        Command::Install { plugin: true, directory } => commands::install::plugin(directory.as_deref()),
        Command::Schema => commands::schema::run(),
        Command::Completions { shell } => completions(shell),
    }
}

fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "krm-sops", &mut script);
    commands::print(&String::from_utf8_lossy(&script))
}

fn given_config(file: Option<&Path>, settings: &[String]) -> Result<Config, Problem> {
    if let Some(file) = file {
        return read_config(file);
    }
    let mut pairs = Vec::with_capacity(settings.len());
    for setting in settings {
        let pair = setting.split_once('=').ok_or_else(|| {
            Problem::new(Code::BadConfig, "--set needs FIELD=VALUE").help("for example --set integrity=warn")
        })?;
        pairs.push(pair);
    }
    Config::from_settings(pairs)
}

fn read_config(file: &Path) -> Result<Config, Problem> {
    let unreadable = |why: &str| {
        Problem::new(Code::BadConfig, "the function config cannot be read")
            .because(format!("{}: {why}", file.display()))
            .help("name a file that holds a SopsDecrypt resource; `krm-sops --help` shows the commands")
    };
    let bytes = Disk.read(file).map_err(|error| unreadable(&error.to_string()))?;
    Config::parse(&String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8"))?)
}
