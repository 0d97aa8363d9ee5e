//! What `dead-letters` takes.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use jiff::{SignedDuration, Timestamp};
use linecook_log::{Clock, SystemClock};

use super::super::{Stop, arguments::json};
use crate::dead_letters::Selection;

/// The command with its own.
pub(in crate::program) fn command() -> Command {
    let list = Command::new("list")
        .about("Prints the first record of each parked key")
        .arg(flag("waiting", "Also those that are tried again by themselves"));
    let show = Command::new("show").about("Prints a record that waits, and what waits with it").arg(id());
    let edit = Command::new("edit")
        .about("Gives a record that waits another value: in $VISUAL or $EDITOR, unless it is given")
        .arg(id())
        .arg(Arg::new("value").long("value").value_name("TEXT").help("The new value"))
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("A file with it"),
        )
        .arg(flag("null", "No value"))
        .group(ArgGroup::new("new").args(["value", "file", "null"]));
    let redrive = Command::new("redrive")
        .about("Lets parked keys go on: their first record is tried once more, then those behind it, in order")
        .arg(Arg::new("ids").value_name("ID").num_args(0..).help("The first record of a key, as `list` prints it"))
        .arg(Arg::new("key").long("key").value_name("KEY").help("That key"))
        .arg(Arg::new("reason").long("reason").value_name("TEXT").help("Those whose reason has that in it"))
        .arg(
            Arg::new("since")
                .long("since")
                .value_name("TIME")
                .help("Those that failed since: 30m, 2h, or 2026-11-26T20:15:00Z"),
        )
        .arg(flag("all", "All of them"))
        .arg(
            Arg::new("max")
                .long("max")
                .value_name("NUMBER")
                .value_parser(value_parser!(usize))
                .help("So many at most: those that failed first"),
        )
        .arg(flag("dry-run", "Prints which it would be, and does nothing"));
    let discard = Command::new("discard")
        .about("Leaves a record out, and no other; its key goes on if it was the first")
        .arg(id())
        .arg(flag("dry-run", "Prints what it would be, and does nothing"));
    let all = [list, show, edit, redrive, discard].map(|command| command.arg(json()));
    Command::new("dead-letters")
        .about("Records that failed, and the keys that wait behind them")
        .subcommand_required(true)
        .subcommands(all)
}

fn id() -> Arg {
    Arg::new("id").value_name("ID").required(true).help("Which record: SERVICE/STAGE/TOPIC/PARTITION/OFFSET")
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Which letters are meant.
pub(super) fn selection(matches: &ArgMatches) -> Result<Selection, Stop> {
    let ids = matches.get_many::<String>("ids").into_iter().flatten().map(|id| id.parse()).collect::<Result<_, _>>();
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let since = text("since").map(|since| time(&since, now())).transpose()?;
    let selection = Selection {
        ids: ids.map_err(Stop::usage)?,
        key: text("key"),
        reason: text("reason"),
        since: since.map(Timestamp::as_millisecond),
        all: matches.get_flag("all"),
        max: matches.get_one::<usize>("max").copied(),
        dry_run: matches.get_flag("dry-run"),
    };
    if selection.is_given() {
        return Ok(selection);
    }
    Err(Stop::usage("which ones? IDs, --key, --reason, --since, or --all"))
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(SystemClock::new().timestamp().0).unwrap_or(Timestamp::MAX)
}

/// A time, or a span before now.
fn time(text: &str, now: Timestamp) -> Result<Timestamp, Stop> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let ago = text.parse::<SignedDuration>().ok().filter(|span| !span.is_negative());
    ago.and_then(|span| now.checked_sub(span).ok()).ok_or_else(|| {
        Stop::usage(format!("--since takes a span as 30m or 2h, or a time as 2026-11-26T20:15:00Z: {text}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(arguments: &[&str]) -> Result<Selection, Stop> {
        let all = ["dead-letters", "redrive"].iter().chain(arguments);
        let matches = command().try_get_matches_from(all).map_err(|error| Stop::usage(error.to_string()))?;
        selection(matches.subcommand_matches("redrive").unwrap())
    }

    #[test]
    fn nothing_is_redriven_that_was_not_named() {
        for odd in [
            &[][..],
            &["--max", "3"],
            &["--dry-run"],
            &["a/b/c"],
            &["--since", "yesterday"],
            &["--since", "-2h"],
            &["--reason", ""],
        ] {
            assert_eq!(selected(odd).unwrap_err().code(), 2, "{odd:?}");
        }
        assert!(selected(&["--all", "--max", "3"]).unwrap().all);
        let named = selected(&["a/b/c/0/1", "a/b/c/0/2", "--dry-run"]).unwrap();
        assert_eq!((named.ids.len(), named.dry_run), (2, true));
    }

    #[test]
    fn a_time_is_one_or_a_span_before_now() {
        let now = "2026-11-26T20:15:00Z".parse::<Timestamp>().unwrap();
        let ago = |text: &str| time(text, now).unwrap().to_string();
        assert_eq!(ago("2h"), "2026-11-26T18:15:00Z");
        assert_eq!(ago("1h 30m"), "2026-11-26T18:45:00Z");
        assert_eq!(ago("2026-11-01T00:00:00+01:00"), "2026-10-31T23:00:00Z");
    }
}
