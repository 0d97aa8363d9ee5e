//! `kafka-broker`: a real Kafka to try things with. See `kafka-broker --help`.

use std::{
    io::{self, Write as _},
    num::NonZeroU32,
    process::ExitCode,
    sync::mpsc::RecvTimeoutError,
    thread,
    time::Duration,
};

use kafka_broker::{Arguments, Broker, ErrorKind, Options, Result, Tuning, stop_signals};

const USAGE: &str = "\
Starts a broker of Apache Kafka on this machine, for this machine. Needs Java 17 or newer, and Maven the first time.

usage: kafka-broker [--port PORT] [--data FOLDER] [--partitions COUNT] [--property NAME=VALUE]…

  --port         where it listens on 127.0.0.1 [default: 9092]
  --data         where its data is kept for the next time [default: a folder that goes with it]
  --partitions   how many partitions a topic has when nobody says [default: 4]
  --property     a property of the server, as in server.properties";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "kafka-broker: {error}").ok();
            ExitCode::from(if error.kind() == ErrorKind::Setup { 2 } else { 1 })
        }
    }
}

fn run() -> Result<()> {
    let Some(options) = asked_for()? else {
        writeln!(io::stdout(), "{USAGE}").ok();
        return Ok(());
    };
    let stops = stop_signals()?;
    let broker = Broker::start(options)?;
    show(&broker);
    loop {
        match stops.recv_timeout(Duration::from_millis(200)) {
            Ok(()) => break,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) if broker.is_running() => {}
            Err(_) => return broker.stop(), // it has ended by itself, and this says what it logged
        }
    }
    writeln!(io::stderr(), "stopping; once more ends it at once").ok();
    thread::spawn(move || {
        if stops.recv().is_ok() {
            std::process::exit(1); // the broker does not outlive this process
        }
    });
    broker.stop()
}

/// Nothing when help was asked for.
fn asked_for() -> Result<Option<Options>> {
    let mut options = Options::default().port(9092).partitions(4).tuning(Tuning::Throughput);
    let mut arguments = Arguments::of_process(USAGE);
    while let Some((flag, written)) = arguments.next_flag() {
        options = match flag.as_str() {
            "--port" => options.port(arguments.value(&flag, written)?),
            "--data" => options.data(arguments.value::<String>(&flag, written)?),
            "--partitions" => options.partitions(arguments.value::<NonZeroU32>(&flag, written)?.get()),
            "--property" => {
                let property: String = arguments.value(&flag, written)?;
                let (name, value) = property.split_once('=').ok_or_else(|| arguments.no_value_for(&flag, &property))?;
                options.property(name, value)
            }
            "--help" | "-h" => return Ok(None),
            _ => return Err(arguments.unknown(&flag)),
        };
    }
    Ok(Some(options))
}

fn show(broker: &Broker) {
    let (servers, folder) = (broker.bootstrap_servers(), broker.folder().display());
    let screen = format!("Apache Kafka is up.\n\n  servers  {servers}\n  data     {folder}\n  stop     ctrl-c\n");
    io::stdout().write_all(screen.as_bytes()).ok();
}
