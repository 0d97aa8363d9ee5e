//! `dead-letters`: what operators see of records that wait, and say about them.

mod arguments;
mod backend;
mod editor;
mod follow;
mod remote;
mod text;

use std::{fs, path::PathBuf};

use clap::ArgMatches;
use serde::Serialize;
use serde_json::json;

pub(super) use self::{
    arguments::command,
    remote::{forget_address, note_address, noted_address},
};
use self::{
    arguments::selection,
    backend::{Backend, Opened},
};
use super::{Prepared, Stop, print};
use crate::dead_letters::{Letter, RecordId, State};

/// Does what was asked for, wherever the letters are.
pub(super) fn run(matches: &ArgMatches, prepared: &Prepared) -> Result<(), Stop> {
    let opened = Opened::of(prepared)?;
    let backend = opened.backend();
    let outcome = match matches.subcommand() {
        Some(("list", matches)) => list(matches, backend),
        Some(("show", matches)) => show(matches, backend),
        Some(("edit", matches)) => edit(matches, &opened),
        Some(("redrive", matches)) => redrive(matches, &opened),
        Some(("discard", matches)) => discard(matches, &opened),
        _ => Err(Stop::usage("dead-letters list, show, edit, redrive or discard")),
    };
    outcome.and(opened.close())
}

fn list(matches: &ArgMatches, backend: &dyn Backend) -> Result<(), Stop> {
    let letters = backend.list(matches.get_flag("waiting"))?;
    if is_json(matches) { print_json(&json!({ "letters": letters })) } else { print(&text::Listing(&letters)) }
}

fn show(matches: &ArgMatches, backend: &dyn Backend) -> Result<(), Stop> {
    let detail = backend.show(&id(matches)?)?;
    if is_json(matches) { print_json(&detail) } else { print(&text::Shown(&detail)) }
}

fn edit(matches: &ArgMatches, opened: &Opened) -> Result<(), Stop> {
    let backend = opened.backend();
    let id = id(matches)?;
    let mut draft = None;
    let value =
        match (matches.get_one::<String>("value"), matches.get_one::<PathBuf>("file")) {
            (Some(value), _) => Some(value.clone().into_bytes()),
            (None, Some(path)) => Some(fs::read(path).map_err(|error| {
                Stop::usage(format!("the new value cannot be read: file={}: {error}", path.display()))
            })?),
            (None, None) if matches.get_flag("null") => None,
            (None, None) => match editor::edited(&backend.show(&id)?.value)? {
                Some(edited) => Some(draft.insert(edited).value.clone()),
                None => return print(&format!("{id} is as it was: nothing was changed\n")),
            },
        };
    let stored = backend.edit(&id, value.as_deref()).and_then(|letter| {
        if opened.somebody_works() {
            follow::until_edited(backend, &id, value.as_deref())?;
        }
        Ok(letter)
    });
    let letter = match draft {
        Some(draft) => draft.stored(stored)?,
        None => stored?,
    };
    if is_json(matches) {
        return print_json(&Said { letter, dry_run: false, pending: !opened.somebody_works() });
    }
    let when = if opened.somebody_works() { "" } else { " when a service is started here" };
    print(&format!("{id} has another value{when}, and still waits; to let its key go on: dead-letters redrive {id}\n"))
}

fn redrive(matches: &ArgMatches, opened: &Opened) -> Result<(), Stop> {
    let selection = selection(matches)?;
    let letters = opened.backend().redrive(&selection)?;
    if selection.dry_run {
        if is_json(matches) {
            return print_json(&json!({ "letters": letters, "dry_run": true }));
        }
        if letters.is_empty() {
            return print(&NONE_MEANT);
        }
        print(&text::Listing(&letters))?;
        return print(&"this would be redriven; nothing was\n");
    }
    if letters.is_empty() && !is_json(matches) {
        return print(&NONE_MEANT);
    }
    if !opened.somebody_works() {
        return if is_json(matches) {
            print_json(&json!({ "redriven": 0, "failed": [], "parked_later": [], "pending": letters.len() }))
        } else {
            print(&format!(
                "{} to be redriven when a service is started here: nobody has this directory now\n",
                letters.len()
            ))
        };
    }
    let outcome = follow::follow(opened.backend(), &letters)?;
    if is_json(matches) {
        print_json(&outcome)?
    } else {
        print(&text::Redriven(&outcome))?
    }
    outcome.check()
}

/// Of `edit` and `discard`: the letter as it was, and what becomes of what was said about it.
#[derive(Serialize)]
struct Said {
    #[serde(flatten)]
    letter: Letter,
    /// It was only asked what would be.
    dry_run: bool,
    /// It is stored, and done when a service is started.
    pending: bool,
}

const NONE_MEANT: &str = "nothing is parked that was meant\n";

fn discard(matches: &ArgMatches, opened: &Opened) -> Result<(), Stop> {
    let (id, dry_run) = (id(matches)?, matches.get_flag("dry-run"));
    let letter = opened.backend().discard(&id, dry_run)?;
    if is_json(matches) {
        return print_json(&Said { letter, dry_run, pending: !dry_run && !opened.somebody_works() });
    }
    let when = if opened.somebody_works() { "now" } else { "when a service is started here" };
    print(&match (dry_run, letter.state) {
        (true, State::Behind) => format!("{id} would be left out when it is its turn\n"),
        (true, _) => format!("{id} would be left out, and its key would go on with {} more\n", letter.behind),
        (false, _) => {
            format!("{id} is to be left out: that is stored, and done {when}, unless it was handled before\n")
        }
    })
}

fn id(matches: &ArgMatches) -> Result<RecordId, Stop> {
    matches.get_one::<String>("id").map_or("", String::as_str).parse().map_err(Stop::usage)
}

fn is_json(matches: &ArgMatches) -> bool {
    matches.get_flag("json")
}

fn print_json(what: &impl Serialize) -> Result<(), Stop> {
    let text = serde_json::to_string(what).map_err(|error| Stop::failed(error.to_string()))?;
    print(&format!("{text}\n"))
}
