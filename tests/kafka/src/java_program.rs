//! Programs in Java that are measured beside ours.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Error, Result,
    installation::{copy_jars, jars_in},
    java,
};

/// A program of one source file, made once: its jars by Maven, its classes by `javac`, in `target/<name>`.
///
/// Processes that want the same one at the same time wait for the one that makes it.
#[derive(Debug)]
pub struct JavaProgram {
    folder: PathBuf,
    main_class: String,
}

/// What a program is made of.
#[derive(Debug, Clone, Copy)]
pub struct JavaSource<'a> {
    /// The folder in Cargo's target folder.
    pub name: &'a str,
    /// The jars that it needs, as Maven's `pom.xml` names them.
    pub pom: &'a str,
    /// The class whose `main` is called, and the file's name.
    pub main_class: &'a str,
    /// The file.
    pub text: &'a str,
}

impl JavaProgram {
    /// Takes what is there, and makes it when it is missing or of another source.
    ///
    /// # Errors
    /// `Setup` when Java 17, `javac` or Maven is missing; `Failed` when they do not like what they are given.
    pub fn of(source: JavaSource<'_>) -> Result<Self> {
        Self::made_in(&crate::target_folder(), source)
    }

    fn made_in(target: &Path, source: JavaSource<'_>) -> Result<Self> {
        java::version()?;
        let program = Self { folder: target.join(source.name), main_class: source.main_class.to_owned() };
        fs::create_dir_all(target).map_err(Error::cannot(format_args!("make {}", target.display())))?;
        let lock = target.join(format!("{}.lock", source.name));
        let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let _lock = lock.map_err(Error::cannot(format_args!("lock {}", program.folder.display())))?;
        let made_of = format!("{}\n{}", source.pom, source.text);
        if fs::read_to_string(program.made_of()).ok().as_deref() != Some(&made_of) {
            program.make(source)?;
            fs::write(program.made_of(), made_of).map_err(Error::cannot("finish a program in Java"))?;
        }
        Ok(program)
    }

    /// Written last: with it, the rest is whole.
    fn made_of(&self) -> PathBuf {
        self.folder.join("made-of")
    }

    fn make(&self, source: JavaSource<'_>) -> Result<()> {
        // Half of one, or one of another source.
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::cannot(format_args!("remove {}", self.folder.display()))(error));
            }
            _ => {}
        }
        let classes = self.classes();
        fs::create_dir_all(&classes).map_err(Error::cannot(format_args!("make {}", classes.display())))?;
        let (pom, file) = (self.folder.join("pom.xml"), self.folder.join(format!("{}.java", self.main_class)));
        fs::write(&pom, source.pom).map_err(Error::cannot(format_args!("write {}", pom.display())))?;
        fs::write(&file, source.text).map_err(Error::cannot(format_args!("write {}", file.display())))?;
        copy_jars(&pom, &self.folder.join("jars"))?;
        let mut compiler = Command::new(java::tool("javac"));
        // For the oldest Java that may run it: the next one may be older than this one.
        compiler.args(["--release", "17", "-d"]).arg(&classes).env("CLASSPATH", self.class_path()?).arg(&file);
        java::run(&mut compiler, "a compiler of Java (of a JDK, not of a JRE)").map(drop)
    }

    fn classes(&self) -> PathBuf {
        self.folder.join("classes")
    }

    fn class_path(&self) -> Result<OsString> {
        let mut paths = jars_in(&self.folder.join("jars"))?;
        paths.push(self.classes());
        std::env::join_paths(paths).map_err(|error| Error::setup(format!("cannot name the jars: {error}")))
    }

    /// What starts it, with these flags of the JVM. The caller adds its arguments.
    ///
    /// # Errors
    /// `Setup` when it has gone, or Java has.
    pub fn command(&self, jvm_flags: &[&str]) -> Result<Command> {
        let mut command = Command::new(java::path_of("java")?);
        command.args(jvm_flags).env("CLASSPATH", self.class_path()?).arg(&self.main_class);
        Ok(command)
    }
}
