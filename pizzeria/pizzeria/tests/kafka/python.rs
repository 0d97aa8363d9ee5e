//! Programs in another language: `foreign.py`, with Confluent's client for Python, which is librdkafka, too, but none of
//! ours.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use kafka_broker::target_folder;

const CLIENT: &str = "confluent-kafka==2.16.1";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/foreign.py");

/// The script with that task.
pub(crate) fn foreign(task: &str, servers: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(INTERPRETER.get_or_init(interpreter));
    command.args([SCRIPT, task, servers]).args(arguments).stdin(Stdio::null());
    command
}

/// What it has printed when it ended well.
pub(crate) fn printed(mut task: Command) -> Vec<u8> {
    let output = task.output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An interpreter that has the client. It is made once, in Cargo's target folder; other processes wait meanwhile.
fn interpreter() -> PathBuf {
    let folder = target_folder().join("kafka");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("python.lock")).unwrap();
    lock.lock().unwrap();
    let environment = folder.join(format!("python-{}", CLIENT.replace("==", "-")));
    if !environment.exists() {
        let unfinished = folder.join("python.unfinished");
        fs::remove_dir_all(&unfinished).ok();
        let make = ["-m", "venv", unfinished.to_str().unwrap()];
        run(Path::new("python3"), &make, "Python 3 with venv is missing (apt-get install python3-venv)");
        let python = unfinished.join("bin/python");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", CLIENT];
        run(&python, &install, "Confluent's client for Python cannot be installed");
        fs::rename(&unfinished, &environment).unwrap();
    }
    environment.join("bin/python")
}

fn run(program: &Path, arguments: &[&str], otherwise: &str) {
    let ended = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let ended = ended.unwrap_or_else(|error| panic!("{otherwise}: {}: {error}", program.display()));
    let told = [ended.stdout, ended.stderr].concat();
    assert!(ended.status.success(), "{otherwise}: {}", String::from_utf8_lossy(&told));
}
