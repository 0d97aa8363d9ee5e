//! Programs in Java that are made here.

use std::fs;

use kafka_broker::{JavaProgram, JavaSource, target_folder};

const NAME: &str = "java-program-of-a-test";
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>test</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"#;

/// What the program prints. It needs a class of the jar to be compiled, and to run.
fn said_by(text: &str) -> Result<String, String> {
    let text = format!(
        "public class Speaker {{
            public static void main(String[] arguments) {{
                org.slf4j.LoggerFactory.getLogger(\"test\");
                System.out.println({text} + arguments[0]);
            }}
        }}"
    );
    let source = JavaSource { name: NAME, pom: POM, main_class: "Speaker", text: &text };
    let program = JavaProgram::of(source).map_err(|error| error.to_string())?;
    let output = program.command(&["-XX:TieredStopAtLevel=1"]).unwrap().arg("!").output().unwrap();
    Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn a_program_is_made_once_and_again_when_its_source_has_changed() {
    let folder = target_folder().join(NAME);
    fs::remove_dir_all(&folder).ok();
    assert_eq!(said_by("\"basil\"").unwrap(), "basil!");
    let made = || fs::metadata(folder.join("made-of")).unwrap().modified().unwrap();
    let first = made();
    assert_eq!(said_by("\"basil\"").unwrap(), "basil!");
    assert_eq!(made(), first);
    assert_eq!(said_by("\"oregano\"").unwrap(), "oregano!");
    // What the compiler says is told, and nothing counts as made.
    let error = said_by("no such thing").unwrap_err();
    assert!(error.contains("javac") && error.contains("Speaker.java"), "{error}");
    assert!(!folder.join("made-of").exists());
    fs::remove_dir_all(&folder).unwrap();
}
