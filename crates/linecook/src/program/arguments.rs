//! The command line. Every setting is a flag: they are made from what the services declare.

use std::path::PathBuf;

use clap::{
    Arg, ArgAction, ArgMatches, Command,
    builder::{IntoResettable, ValueParser},
    value_parser,
};
use clap_complete::Shell;

use super::{Program, Stop, dead_letters, print};
use crate::settings::Entry;

/// The variable that names the settings file.
pub(crate) const CONFIG_VARIABLE: &str = "LINECOOK_CONFIG";

const DROP: &str = "Forgets a group: records are not kept for it any longer. If its service runs again, it goes on with \
                    those that come from now on";

/// The program's command line.
pub(crate) fn command(program: &Program, settings: &[Entry]) -> Command {
    let config =
        Arg::new("config").long("config").value_name("FILE").value_parser(value_parser!(PathBuf)).global(true).help(
            format!(
                "The settings file, TOML, or one with properties of Kafka clients as Python reads them \
             [environment: {CONFIG_VARIABLE}]"
            ),
        );
    let mut command = Command::new(program.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about(program.about)
        .after_help(
            "Each setting is a variable, too (--data-dir is LINECOOK_DATA_DIR), and a key of the settings file \
             (data_dir). `settings` prints such a file.",
        )
        .disable_help_subcommand(true)
        .arg(config)
        .args(settings.iter().map(setting))
        .subcommand(Command::new("run").about("Runs until it is told to stop; what happens without a command"))
        .subcommand(Command::new("settings").about("Prints the settings in force, and where each comes from"))
        .subcommand(Command::new("topology").about("Prints which service reads and writes which topic"))
        .subcommand(dead_letters::command())
        .subcommand(log())
        .subcommand(groups())
        .subcommand(completions());
    if program.services.len() > 1 {
        command = command.arg(names("only", "Runs these services only")).arg(names("except", "Runs all but these"));
    }
    for service_command in program.services.iter().flat_map(|service| service.commands) {
        command = command.subcommand((service_command.arguments)(Command::new(service_command.name)));
    }
    command
}

fn setting(entry: &Entry) -> Arg {
    let name = entry.name();
    let default = entry.value().map(|value| format!(" [default: {value}]")).unwrap_or_default();
    let doc = entry.doc();
    let heading = name.section().map_or_else(|| "Settings".to_owned(), |section| format!("Settings of {section}"));
    let flag = flag_of(entry);
    let argument = Arg::new(flag.clone())
        .long(flag)
        .value_name("VALUE")
        .global(true)
        .help(format!("{}{}{default}", doc[..1].to_uppercase(), &doc[1..]))
        .help_heading(heading);
    if !entry.is_truth() {
        return argument;
    }
    // Alone it says yes. Only `=` gives it a value, or the command behind it would be taken for one.
    argument.num_args(0..=1).require_equals(true).default_missing_value("true")
}

/// The flag of a setting without its dashes.
fn flag_of(entry: &Entry) -> String {
    entry.name().flag().trim_start_matches('-').to_owned()
}

fn names(flag: &'static str, help: &'static str) -> Arg {
    let names = Arg::new(flag).long(flag).value_name("SERVICES").value_delimiter(',').action(ArgAction::Append);
    names.global(true).help(format!("{help}, names with commas between them"))
}

fn log() -> Command {
    let folder = Arg::new("dir").value_name("DIR").value_parser(value_parser!(PathBuf));
    let check = Command::new("check")
        .about("Reads a data directory that no process uses, and prints what is in it and any damage")
        .arg(folder.help("The data directory [default: data_dir]"))
        .arg(json());
    let dump = Command::new("dump")
        .about("Prints the records of a topic: of a cluster, or from a data directory that no process uses")
        .arg(Arg::new("topic").value_name("TOPIC").required(true).help("Which topic"))
        .arg(number("partition", "NUMBER", value_parser!(u32)).help("This partition only"))
        .arg(number("from", "OFFSET", value_parser!(u64)).default_value("0").help("The offset of the first record"))
        .arg(json());
    Command::new("log").about("Looks into the log").subcommand_required(true).subcommand(check).subcommand(dump)
}

fn number(flag: &'static str, value_name: &'static str, parser: impl IntoResettable<ValueParser>) -> Arg {
    Arg::new(flag).long(flag).value_name(value_name).value_parser(parser)
}

fn groups() -> Command {
    let name = Arg::new("name").value_name("NAME").required(true);
    let drop = Command::new("drop").about(DROP).arg(name);
    let list = Command::new("list").about("Prints the groups and how far each is");
    Command::new("groups").about("The groups that read the log").subcommand_required(true).subcommands([list, drop])
}

pub(super) fn json() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Prints JSON")
}

fn completions() -> Command {
    let shell = Arg::new("shell").value_parser(value_parser!(Shell)).required(true);
    Command::new("completions").about("Prints a script that completes the command line in a shell").arg(shell)
}

pub(crate) fn print_completions(command: &mut Command, matches: &ArgMatches) -> Result<(), Stop> {
    let shell = matches.get_one::<Shell>("shell").copied().unwrap_or(Shell::Bash);
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The settings that were given as flags.
pub(crate) fn flags(matches: &ArgMatches, settings: &[Entry]) -> Vec<(String, String)> {
    let given = |entry: &Entry| {
        let flag = flag_of(entry);
        matches.get_one::<String>(&flag).map(|value| (flag.clone(), value.clone()))
    };
    settings.iter().filter_map(given).collect()
}

/// The settings file that was named.
pub(crate) fn config(matches: &ArgMatches) -> Option<PathBuf> {
    let named = matches.get_one::<PathBuf>("config").cloned();
    named.or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from))
}
