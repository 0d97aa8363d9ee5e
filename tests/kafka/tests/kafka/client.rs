//! Just enough of a client for a real broker.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Output, Stdio},
    time::Duration,
};

use kafka_broker::{ApiKey, target_folder};

/// Asks for a topic of one partition, and returns Kafka's error code: 0 or `TOPIC_EXISTS`.
pub(crate) fn create_topic(servers: &str, name: &str) -> io::Result<i16> {
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.extend(string(name));
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(1_i16.to_be_bytes()); // replicas
    body.extend([0; 8]); // no assignments, no settings
    body.extend(10_000_i32.to_be_bytes());
    body.push(0); // not only to see whether it could
    let reply = ask(servers, ApiKey::CREATE_TOPICS, 2, &body)?;
    let code = 4 + 4 + 2 + name.len(); // behind the throttle, the count, the name
    Ok(i16::from_be_bytes([reply[code], reply[code + 1]]))
}

pub(crate) const TOPIC_EXISTS: i16 = 36;

/// The port that the broker tells its clients to go to.
pub(crate) fn advertised_port(servers: &str) -> i32 {
    let reply = ask(servers, ApiKey::METADATA, 1, &0_i32.to_be_bytes()).unwrap();
    assert_eq!(reply[..4], 1_i32.to_be_bytes(), "it is alone");
    let host = 4 + 4 + 2 + "127.0.0.1".len(); // behind the count, the node's id, the host
    i32::from_be_bytes(reply[host..host + 4].try_into().unwrap())
}

/// Whether it answers within that time.
pub(crate) fn answers_within(servers: &str, patience: Duration) -> bool {
    ask_within(servers, ApiKey::API_VERSIONS, 0, &[], patience).is_ok()
}

fn ask(servers: &str, api_key: ApiKey, version: i16, body: &[u8]) -> io::Result<Vec<u8>> {
    ask_within(servers, api_key, version, body, crate::PATIENCE)
}

/// What follows the head of the reply.
fn ask_within(servers: &str, api_key: ApiKey, version: i16, body: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(servers)?;
    stream.set_read_timeout(Some(patience))?;
    let head = [api_key.0.to_be_bytes(), version.to_be_bytes()].concat();
    let frame = [head.as_slice(), &7_i32.to_be_bytes(), &string("test"), body].concat();
    stream.write_all(&[&u32::try_from(frame.len()).unwrap().to_be_bytes(), frame.as_slice()].concat())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
    stream.read_exact(&mut reply)?;
    assert_eq!(reply[..4], 7_i32.to_be_bytes());
    Ok(reply[4..].to_vec())
}

fn string(text: &str) -> Vec<u8> {
    [&i16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// Kafka's own program that shows and changes settings, which is a client in Java. It has these properties.
pub(crate) fn kafka_configs(servers: &str, properties: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("client.properties");
    let bounds = "default.api.timeout.ms=8000\nrequest.timeout.ms=8000\n";
    std::fs::write(&file, format!("{bounds}{properties}")).unwrap();
    let jars = target_folder().join("kafka/4.3.1/jars/*");
    let mut command = Command::new("java");
    command.env("CLASSPATH", jars).args(["-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]);
    command.arg("kafka.admin.ConfigCommand");
    command.args(["--bootstrap-server", servers, "--command-config"]).arg(&file).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}
