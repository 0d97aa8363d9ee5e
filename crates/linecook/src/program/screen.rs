//! What is on the screen after a start: what runs, on which log, where the data is, what to try.

use std::{fmt, net::SocketAddr};

use super::{Prepared, open_log::LogKind};

pub(crate) struct Screen<'a> {
    pub(crate) prepared: &'a Prepared,
    pub(crate) address: SocketAddr,
    /// How many partitions the topics have, which may be others than the setting asks for; none while the log has not
    /// said so.
    pub(crate) partition_count: Option<u32>,
}

impl fmt::Display for Screen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Prepared { name, process, selection, definitions, .. } = self.prepared;
        let data_dir = std::path::absolute(&process.data_dir).unwrap_or_else(|_| process.data_dir.clone());
        let url = format!("http://{}", self.address);
        writeln!(f, "{name} {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f)?;
        line(f, "runs", &selection.running().join(", "))?;
        if !selection.others().is_empty() {
            line(f, "not here", &selection.others().join(", "))?;
        }
        let log = match process.log {
            LogKind::Embedded => "embedded".to_owned(),
            LogKind::Kafka => format!("kafka at {}", process.cluster.servers()),
        };
        let partitions = self.partition_count.map(|count| format!(", {count} partitions a topic")).unwrap_or_default();
        line(f, "log", &format!("{log}{partitions}, exactly once"))?;
        line(f, "data", &data_dir.display())?;
        line(f, "url", &url)?;
        for definition in definitions.iter().filter(|definition| selection.has(definition.name)) {
            if let Some(example) = definition.example {
                line(f, "try", &example.replace("{url}", &url))?;
            }
        }
        line(f, "stop", &"ctrl-c")
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display) -> fmt::Result {
    writeln!(f, "  {name:<9}{value}")
}
