use super::*;

#[test]
fn all_faults_are_in_one_report_each_with_its_place() {
    let text = "\
partitions = 0
commit_interval_ms = \"fast\"
data_dirr = \"/var/lib/pizzeria\"

[sauce-service]
menue = [\"pesto\"]
menu = [\"pesto\", 5]

[souce-service]
menu = []
";
    let sources = file(text)
        .with_environment(pairs(&[("LINECOOK_PARTITONS", "8"), ("LINECOOK_RETENTION_BYTES", "plenty")]))
        .with_flags(pairs(&[("sauce-service-meun", "pesto"), ("partitions", "many")]));
    let mut settings = Settings::load(sources);
    ask(&mut settings);
    let report = settings.finish().unwrap_err().to_string();
    assert_eq!(
        report,
        "\
10 faults in the settings:
  pizzeria.toml:1: out of range, expected a whole number from 1 to 1024: key=partitions found=0
  pizzeria.toml:2: wrong type, expected a whole number of milliseconds from 0: key=commit_interval_ms found=\"fast\"
  pizzeria.toml:3: unknown setting, the nearest is data_dir: key=data_dirr
  pizzeria.toml:6: unknown setting, the nearest is menu: key=sauce-service.menue
  pizzeria.toml:7: wrong type, expected a list of texts (in a flag or a variable with commas between them): \
key=sauce-service.menu found=[\"pesto\", 5]
  pizzeria.toml:9: unknown section, the nearest is sauce-service: section=souce-service
  environment LINECOOK_PARTITONS: unknown variable, the nearest is LINECOOK_PARTITIONS
  environment LINECOOK_RETENTION_BYTES: wrong type, expected a whole number of bytes from 0: key=retention_bytes \
found=\"plenty\"
  flag --partitions: wrong type, expected a whole number from 1 to 1024: key=partitions found=\"many\"
  flag --sauce-service-meun: unknown flag, the nearest is --sauce-service-menu"
    );
}

#[test]
fn a_name_like_no_other_is_answered_with_all_that_are_known() {
    assert_eq!(
        faults_of(file("xxx = 1\n[sauce-service]\nzzz = 1")),
        [
            "pizzeria.toml:1: unknown setting, known are commit_interval_ms, data_dir, partitions, password, \
             retention_bytes: key=xxx",
            "pizzeria.toml:3: unknown setting, known are menu: key=sauce-service.zzz",
        ]
    );
}

#[test]
fn a_hidden_value_is_checked_too() {
    let sources = file("partitions = 5000").with_flags(pairs(&[("partitions", "8")]));
    assert_eq!(
        faults_of(sources),
        ["pizzeria.toml:1: out of range, expected a whole number from 1 to 1024: key=partitions found=5000"]
    );
}

#[test]
fn a_section_is_no_value_and_a_value_no_section() {
    assert_eq!(
        faults_of(file("sauce-service = 3\n[data_dir]\nx = 1")),
        [
            "pizzeria.toml:1: wrong type, expected a section: key=sauce-service",
            "pizzeria.toml:2: wrong type, expected a path: key=data_dir found=a section",
        ]
    );
}

#[test]
fn a_file_that_is_not_toml_is_named_with_line_and_column_beside_the_other_faults() {
    let sources = file("partitions = 4\ndata_dir = ./data\n[sauce-service\n").with_flags(pairs(&[("partitions", "0")]));
    assert_eq!(
        faults_of(sources),
        [
            "pizzeria.toml:2:12: not TOML, invalid mantissa, expected digits",
            "pizzeria.toml:3:15: not TOML, unclosed table, expected `]`",
            "flag --partitions: out of range, expected a whole number from 1 to 1024: key=partitions found=0",
        ]
    );
}

#[test]
fn a_key_given_twice_does_not_hide_the_other_faults() {
    assert_eq!(
        faults_of(file("partitions = 4\npartitions = 5\nfoo = 1\n[sauce-service]\n[sauce-service]\n"))
            .iter()
            .map(|line| line.split([',', '=']).next().unwrap())
            .collect::<Vec<_>>(),
        [
            "pizzeria.toml:2:1: given twice: key",
            "pizzeria.toml:3: unknown setting",
            "pizzeria.toml:5:2: given twice: key",
        ]
    );
}

#[test]
fn a_flag_given_twice_is_a_fault_in_whatever_spelling() {
    let sources = flags(&[("data-dir", "a"), ("data_dir", "b")]);
    assert_eq!(faults_of(sources), ["flag --data-dir: given twice"]);
}

#[test]
fn a_default_outside_of_its_range_is_a_fault_unless_it_is_overridden() {
    let sixty_five = |sources| {
        let mut settings = Settings::load(sources);
        settings.get(Key::new("workers", "threads of a service").within(1..=64), 65_u16);
        settings.finish()
    };
    assert_eq!(
        lines(&sixty_five(Sources::new()).unwrap_err()),
        ["default: out of range, expected a whole number from 1 to 64: key=workers found=65"]
    );
    sixty_five(flags(&[("workers", "64")])).unwrap();
}

#[test]
fn a_value_can_be_refused_for_the_sake_of_another() {
    let mut settings = Settings::load(file("retention_bytes = 1_000\n[sauce-service]\nmenu = []"));
    ask(&mut settings);
    settings.refuse("retention_bytes", "less than eight segments");
    settings.section("sauce-service").refuse("menu", "nothing to choose from");
    assert_eq!(
        lines(&settings.finish().unwrap_err()),
        [
            "pizzeria.toml:1: less than eight segments: key=retention_bytes found=1_000",
            "pizzeria.toml:3: nothing to choose from: key=sauce-service.menu found=[]",
        ]
    );
}

#[test]
fn a_file_that_is_named_but_missing_is_a_fault_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pizzeria.toml");
    let faults = faults_of(Sources::from_process(Some(&path), pairs(&[("partitions", "0")])));
    assert_eq!(faults.len(), 2, "{faults:?}");
    let start = format!("{}: the settings file cannot be read: ", path.display());
    assert!(faults[0].starts_with(&start), "{faults:?}");
}

#[test]
fn a_file_that_is_not_utf_8_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pizzeria.toml");
    std::fs::write(&path, b"partitions = 4\ndata_dir = '\xff'\n").unwrap();
    let faults = faults_of(Sources::from_process(Some(&path), []));
    assert_eq!(faults, [format!("{}:2: not UTF-8", path.display())]);
}

#[test]
fn a_file_is_read_from_where_it_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pizzeria.toml");
    std::fs::write(&path, "partitions = 9\n").unwrap();
    assert_eq!(asked(Sources::from_process(Some(&path), [])).0.partitions, 9);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_a_fault_if_it_is_ours() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};
    let broken = || OsString::from_vec(vec![0xff]);
    let variables = [("LINECOOK_DATA_DIR".into(), broken()), ("HOME".into(), broken())];
    let sources = Sources::new().with_os_environment(variables.into_iter());
    assert_eq!(faults_of(sources), ["environment LINECOOK_DATA_DIR: not UTF-8"]);
}

#[test]
fn a_fault_is_one_line_of_bounded_length_whatever_was_given() {
    let text = format!("partitions = \"\"\"a\n{}\"\"\"\n\"two\\nlines\" = 1", "b".repeat(10_000));
    let faults = faults_of(file(&text));
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults.iter().all(|fault| fault.len() < 250), "{faults:?}");
}
