//! The rules of the house, held to the code.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The files of the project that end like this.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let listed = list.output().unwrap();
    assert!(listed.status.success(), "this is a git checkout: {listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let paths = listed.lines().filter(|path| path.ends_with(ending)).map(|path| root().join(path));
    paths.filter(|path| path.exists()).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A ratchet: 400 lines are where to ask for the second story of a file. Those that are longer may not grow.
#[test]
fn files_stay_short() {
    let known: BTreeMap<&str, usize> = BTreeMap::from(KNOWN_LONG_FILES);
    let mut faults = Vec::new();
    for path in files(".rs") {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let lines = read(&path).lines().count();
        let allowed = known.get(name.as_str()).copied().unwrap_or(400);
        if lines > allowed {
            faults.push(format!("{name} has {lines} lines, {allowed} are allowed"));
        }
        if allowed > 400 && lines + 20 < allowed {
            faults.push(format!("{name} has {lines} lines by now: lower its bound of {allowed}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

const KNOWN_LONG_FILES: [(&str, usize); 0] = [];

/// The arrows between the crates, to be used and to be tested with. A crate that is not listed may not exist.
#[test]
fn crates_know_only_what_they_may() {
    let stage = ["linecook", "pizzeria-events"].as_slice();
    let all_services =
        ["cheese-reporter", "cheese-service", "meat-service", "pizza-service", "sauce-service", "veggie-service"];
    let pizzeria: Vec<_> =
        ["kafka-broker", "linecook", "linecook-embedded", "linecook-kafka", "linecook-log", "pizzeria-events"]
            .into_iter()
            .chain(all_services)
            .collect();
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("benches/bare", ["kafka-broker"].as_slice()),
        ("benches/gate", &["bench-report", "micro"]),
        ("benches/kafka-load", &["bench-report", "kafka-broker"]),
        ("benches/load", &["bench-report"]),
        (
            "benches/micro",
            &[
                "cheese-reporter",
                "linecook",
                "linecook-embedded",
                "linecook-log",
                "linecook-rows",
                "pizzeria-events",
                "sauce-service",
            ],
        ),
        ("benches/plots", &[]),
        ("benches/report", &[]),
        ("crates/linecook", &["linecook-embedded", "linecook-kafka", "linecook-log"]),
        ("crates/linecook-embedded", &["linecook-log", "linecook-rows"]),
        ("crates/linecook-kafka", &["kafka-broker", "linecook-log", "linecook-rows"]),
        ("crates/linecook-log", &[]),
        ("crates/linecook-rows", &[]),
        ("pizzeria/cheese-reporter", stage),
        ("pizzeria/cheese-service", stage),
        ("pizzeria/events", &["linecook"]),
        ("pizzeria/meat-service", stage),
        ("pizzeria/pizza-service", stage),
        ("pizzeria/pizzeria", &pizzeria),
        ("pizzeria/sauce-service", stage),
        ("pizzeria/veggie-service", stage),
        ("tests/fuzz", &["linecook", "linecook-embedded", "linecook-log", "pizzeria", "pizzeria-events"]),
        ("tests/kafka", &[]),
        ("tests/simulation", &["linecook", "linecook-log", "pizzeria", "pizzeria-events"]),
    ]);
    let manifests = files("Cargo.toml");
    let ours: Vec<String> = manifests.iter().filter_map(|path| package_of(&read(path))).collect();
    for path in &manifests {
        let text = read(path);
        let Some(package) = package_of(&text) else { continue };
        let folder = path.parent().unwrap().strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let allowed = allowed.get(folder.as_str()).unwrap_or_else(|| panic!("{folder} is not listed here"));
        for dependency in text.lines().filter_map(dependency_in) {
            let is_ours = ours.contains(&dependency) && dependency != package;
            assert!(!is_ours || allowed.contains(&dependency.as_str()), "{folder} must not depend on {dependency}");
        }
    }
}

fn package_of(manifest: &str) -> Option<String> {
    let line = manifest.lines().find(|line| line.starts_with("name = "))?;
    Some(line.trim_start_matches("name = ").trim_matches('"').to_owned())
}

/// The crate that a line of a manifest depends on, as `serde.workspace = true` and `load = { path = "…" }` do.
fn dependency_in(line: &str) -> Option<String> {
    let (name, _) = line.split_once(".workspace").or_else(|| line.split_once(" = { "))?;
    Some(name.to_owned())
}

/// A folder's or file's name says what happens in it.
#[test]
fn names_say_something() {
    for path in files(".rs") {
        let name = path.strip_prefix(root()).unwrap().to_owned();
        for part in name.with_extension("").iter() {
            let part = part.to_str().unwrap();
            let says_nothing = ["util", "utils", "common", "helper", "helpers", "types", "manager", "core", "misc"];
            assert!(!says_nothing.contains(&part), "{}", name.display());
        }
    }
}

#[test]
fn nothing_is_left_open() {
    // Put together here, so that this file does not find itself.
    let open = [
        ["to", "do!("].concat(),
        ["unimplemented", "!("].concat(),
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["#[ig", "nore"].concat(),
    ];
    for path in files(".rs") {
        let text = read(&path);
        for mark in &open {
            assert!(!text.contains(mark.as_str()), "{} in {}", mark, path.display());
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for path in files(".md") {
        let text = read(&path);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(path.parent().unwrap().join(target).exists(), "{link} in {}", path.display());
        }
    }
}

/// A promise whose test was renamed, or is gone, is one that nobody shows.
#[test]
fn what_is_promised_names_tests_that_exist() {
    let promises = read(&root().join("docs/guarantees.md"));
    let code: Vec<String> = files(".rs").iter().map(|path| read(path)).collect();
    let words = promises.split('`').skip(1).step_by(2);
    let tests: Vec<_> = words.filter(|word| word.contains('_') && word.len() >= 20 && !word.contains('/')).collect();
    assert!(tests.len() > 20, "{tests:?}");
    for test in tests {
        assert!(code.iter().any(|text| text.contains(&format!("fn {test}("))), "there is no test {test}");
    }
}

/// What the README shows as a service is one.
#[test]
fn the_readme_shows_the_real_service() {
    let service = read(&root().join("pizzeria/sauce-service/src/lib.rs"));
    assert!(read(&root().join("README.md")).contains(&format!("```rust\n{service}```")));
}

/// Someone who has read one stage service finds everything in the others at the same place.
#[test]
fn stage_services_are_alike_and_short() {
    for name in ["sauce-service", "cheese-service", "meat-service", "veggie-service"] {
        let service = read(&root().join("pizzeria").join(name).join("src/lib.rs"));
        let is_code =
            |line: &&str| !line.trim().is_empty() && !line.starts_with("//") && !line.starts_with("const MENU");
        let lines: Vec<_> = service.lines().filter(is_code).collect();
        assert!(lines.len() <= 15, "{name} has {} lines beside its menu", lines.len());
        for (line, begins) in lines.iter().zip(["use linecook", "use pizzeria_events", "pub const SERVICE", "fn build"])
        {
            assert!(line.starts_with(begins), "{name}: {line}");
        }
    }
}

#[test]
fn the_architecture_stays_readable() {
    let lines = read(&root().join("ARCHITECTURE.md")).lines().count();
    assert!(lines < 250, "ARCHITECTURE.md has {lines} lines");
}
