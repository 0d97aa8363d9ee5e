//! Apache Kafka's jars, and what is made once from them so that each broker starts soon.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    Certificates, Error, Options, Result, Tuning, java,
    node::{Node, Place},
    properties::{self, Ports},
};

/// The version in `pom.xml`.
pub(crate) const VERSION: &str = "4.3.1";
const POM: &str = include_str!("../pom.xml");
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// What every broker of this version shares: `target/kafka/<version>`.
///
/// ```text
/// jars/                    Maven's artifacts
/// formatted/               the data of a cluster in which nothing has happened
/// classes-<java>.jsa       the classes of a broker as the JVM has them in memory: half the time of a start
/// certificates/            made when the first broker asks for them
/// pom.xml                  what the jars were copied by, written last
/// ```
#[derive(Debug)]
pub(crate) struct Installation {
    folder: PathBuf,
    java_version: &'static str,
}

impl Installation {
    /// Takes what is there and makes what is missing, which needs Maven and some seconds. Other processes wait.
    pub(crate) fn get() -> Result<&'static Self> {
        static INSTALLATION: OnceLock<Result<Installation>> = OnceLock::new();
        INSTALLATION.get_or_init(|| Self::made_in(&cache())).as_ref().map_err(Clone::clone)
    }

    fn made_in(cache: &Path) -> Result<Self> {
        let installation = Self { folder: cache.join(VERSION), java_version: java::version()? };
        let _lock = installation.lock()?;
        if fs::read_to_string(installation.folder.join("pom.xml")).ok().as_deref() != Some(POM) {
            installation.install()?;
        }
        if !installation.archive().exists() {
            installation.archive_classes()?;
        }
        Ok(installation)
    }

    /// Held by whoever makes something here. It is released when the file is dropped or the process dies.
    fn lock(&self) -> Result<File> {
        let path = self.folder.with_file_name(format!("{VERSION}.lock"));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::cannot(format_args!("make {}", parent.display())))?;
        }
        let what = format!("lock {}", path.display());
        let file = File::create(&path).map_err(Error::cannot(&what))?;
        file.lock().map_err(Error::cannot(&what))?;
        Ok(file)
    }

    fn install(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).ok(); // half of an installation, or one of another pom.xml
        fs::create_dir_all(&self.folder).map_err(Error::cannot(format_args!("make {}", self.folder.display())))?;
        let pom = self.folder.join("installing.xml");
        fs::write(&pom, POM).map_err(Error::cannot(format_args!("write {}", pom.display())))?;
        copy_jars(&pom, &self.folder.join("jars"))?;
        self.format(&self.folder.join("formatted"), &[])?;
        fs::rename(&pom, self.folder.join("pom.xml")).map_err(Error::cannot("finish the installation"))
    }

    /// Runs a broker once so that the JVM can write down what it loaded. Later ones start in half the time.
    fn archive_classes(&self) -> Result<()> {
        let archive = self.archive();
        let unfinished = archive.with_extension("unfinished");
        let folder = TempDir::with_prefix("kafka-").map_err(Error::cannot("make a folder"))?;
        let (options, data) = (Options::default(), folder.path().join("data"));
        let ports = Ports::of(&options)?;
        self.format(&data, &[])?;
        let text = properties::text(&options, &ports, &data, None);
        fs::write(folder.path().join("server.properties"), text).map_err(Error::cannot("write server.properties"))?;
        let place = Place { folder: folder.path(), folder_to_remove: Some(folder.path()) };
        let flag = format!("-XX:ArchiveClassesAtExit={}", unfinished.display());
        let mut node = Node::launch(self, place, Tuning::QuickStart, &flag)?;
        node.until_ready(ports.plain)?;
        node.stop()?;
        fs::rename(&unfinished, &archive).map_err(Error::cannot("archive the broker's classes"))
    }

    /// Gives a folder the data of a cluster in which nothing has happened, but for users that it may have.
    pub(crate) fn format(&self, data: &Path, scram_users: &[String]) -> Result<()> {
        fs::create_dir_all(data).map_err(Error::cannot(format_args!("make {}", data.display())))?;
        let ready = self.folder.join("formatted");
        if scram_users.is_empty() && data != ready {
            for name in ["meta.properties", "bootstrap.checkpoint"] {
                fs::copy(ready.join(name), data.join(name)).map_err(Error::cannot("copy a formatted folder"))?;
            }
            return Ok(());
        }
        let properties = data.join("format.properties");
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
             controller.quorum.voters=1@127.0.0.1:1\nlisteners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\n\
             log.dirs={}\n",
            data.display()
        );
        fs::write(&properties, text).map_err(Error::cannot(format_args!("write {}", properties.display())))?;
        let mut format = Command::new(java::tool("java"));
        format.args(["-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]);
        format.env("CLASSPATH", self.class_path()?).arg("kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", CLUSTER, "--config"]).arg(&properties);
        format.args(scram_users.iter().flat_map(|user| ["--add-scram", user]));
        java::run(&mut format, "Java")?;
        fs::remove_file(&properties).map_err(Error::cannot("remove what the folder was formatted by"))
    }

    /// All jars, always in the same order: the archive is only good for the class path that it was made with.
    pub(crate) fn class_path(&self) -> Result<OsString> {
        std::env::join_paths(jars_in(&self.folder.join("jars"))?)
            .map_err(|error| Error::setup(format!("cannot name Kafka's jars: {error}")))
    }

    /// Where the archive of classes is, once it is.
    pub(crate) fn archive(&self) -> PathBuf {
        self.folder.join(format!("classes-{}.jsa", self.java_version))
    }

    /// The certificates that brokers and clients here have, made by the first that asks.
    pub(crate) fn certificates(&self) -> Result<Certificates> {
        let _lock = self.lock()?;
        Certificates::made_in(&self.folder.join("certificates"))
    }
}

/// No two clusters here ever meet, so one name will do.
const CLUSTER: &str = "bGluZWNvb2stdGVzdGluZw";

/// Copies the jars that a `pom.xml` names into a folder.
pub(crate) fn copy_jars(pom: &Path, into: &Path) -> Result<()> {
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-f"]).arg(pom).arg(COPY).arg(format!("-DoutputDirectory={}", into.display()));
    java::run(&mut maven, "Maven, which copies Kafka's jars once,").map(drop)
}

/// All jars of a folder, always in the same order.
pub(crate) fn jars_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let what = format!("read {}", folder.display());
    let entries = fs::read_dir(folder).map_err(Error::cannot(&what))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(Error::cannot(&what))?;
    paths.sort();
    Ok(paths)
}

/// `kafka` in Cargo's target folder.
fn cache() -> PathBuf {
    target_folder().join("kafka")
}

/// Cargo's target folder of the workspace that this crate was built in.
pub fn target_folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let workspace = workspace.canonicalize().unwrap_or(workspace);
    workspace.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
