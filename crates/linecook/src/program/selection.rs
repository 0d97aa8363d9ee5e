//! Which of a program's services run.

use clap::ArgMatches;

use super::{Program, Stop};
use crate::Topology;

/// The services that run in this process, in the order of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    running: Vec<&'static str>,
    others: Vec<&'static str>,
}

impl Selection {
    /// All services of the program.
    pub(crate) fn all(program: &Program) -> Self {
        Self { running: program.services.iter().map(|service| service.name).collect(), others: Vec::new() }
    }

    /// What `--only` and `--except` ask for.
    pub(crate) fn of(matches: &ArgMatches, program: &Program) -> Result<Self, Stop> {
        let named = |flag: &str| match matches.try_get_many::<String>(flag) {
            Ok(Some(names)) => names.cloned().collect(),
            _ => Vec::new(),
        };
        Self::choose(program, &named("only"), &named("except"))
    }

    fn choose(program: &Program, only: &[String], except: &[String]) -> Result<Self, Stop> {
        let all: Vec<_> = program.services.iter().map(|service| service.name).collect();
        let unknown: Vec<_> = only.iter().chain(except).filter(|name| !all.contains(&name.as_str())).cloned().collect();
        if !unknown.is_empty() {
            return Err(Stop::usage(format!("no such service: {}; there are {}", unknown.join(", "), all.join(", "))));
        }
        let is_named = |names: &[String], name: &str| names.iter().any(|other| other == name);
        let runs = |name: &str| (only.is_empty() || is_named(only, name)) && !is_named(except, name);
        let (running, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|name| runs(name));
        if running.is_empty() {
            return Err(Stop::usage("no service is left to run"));
        }
        Ok(Self { running, others })
    }

    pub(crate) fn has(&self, service: &str) -> bool {
        self.running.contains(&service)
    }

    pub(crate) fn running(&self) -> &[&'static str] {
        &self.running
    }

    pub(crate) fn others(&self) -> &[&'static str] {
        &self.others
    }

    /// The topology, and who of it runs.
    pub(crate) fn describe(&self, topology: &Topology) -> String {
        let mut text = topology.to_string();
        text.push_str(&format!("\nruns: {}\n", self.running.join(", ")));
        if !self.others.is_empty() {
            text.push_str(&format!("does not run: {}\n", self.others.join(", ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Definition;

    fn choose(only: &[&str], except: &[&str]) -> Result<Vec<&'static str>, String> {
        let services = ["a", "b", "c"].map(|name| Definition::new(name, 1, |_| ())).to_vec();
        let program = Program { name: "test", about: "", services };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let chosen = Selection::choose(&program, &names(only), &names(except));
        chosen.map(|selection| selection.running).map_err(|stop| stop.message().to_owned())
    }

    #[test]
    fn everything_runs_unless_it_is_left_out() {
        assert_eq!(choose(&[], &[]), Ok(vec!["a", "b", "c"]));
        assert_eq!(choose(&["c", "a"], &[]), Ok(vec!["a", "c"]));
        assert_eq!(choose(&[], &["b"]), Ok(vec!["a", "c"]));
        assert_eq!(choose(&["a", "b"], &["b"]), Ok(vec!["a"]));
        assert!(choose(&["a"], &["a"]).is_err());
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        assert_eq!(choose(&["x"], &["y"]), Err("no such service: x, y; there are a, b, c".to_owned()));
    }
}
