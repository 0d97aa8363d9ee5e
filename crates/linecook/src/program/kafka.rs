//! What the settings say about a cluster, and the log on it.

use std::{fmt::Write, path::PathBuf, sync::Arc};

use linecook_kafka::{Gap, KafkaLog, Options, Properties, Scope, Verdict};
use linecook_log::{Clock, InstanceName, Log};

use super::{Stop, open_log::LogKind, process_settings::ProcessSettings, servers::Servers};
use crate::settings::{CONSUMER, Fate, KAFKA_CLIENT, Origin, Property, Settings, is_secret, most_like};

/// A cluster as the settings describe it.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    properties: Properties,
    /// What was given and does not count, or not as it was given.
    remarks: Vec<String>,
}

impl Cluster {
    /// Judges all properties, on whatever log: a faulty one would turn up on the day the log is changed. `fault_count` is
    /// how many faults there were before the servers were asked for.
    pub(crate) fn from_settings(
        settings: &mut Settings,
        log: LogKind,
        servers: Option<&Servers>,
        fault_count: usize,
    ) -> Self {
        let mut cluster = Self { properties: Properties::default(), remarks: Vec::new() };
        let mut judged: Vec<(Property, Fate)> = Vec::new();
        for (section, scope) in [(KAFKA_CLIENT, Scope::All), (CONSUMER, Scope::Consumers)] {
            for property in settings.properties(section) {
                match cluster.judge(scope, &property, servers.is_some()) {
                    Ok(fate) => judged.push((property, fate)),
                    Err(reason) => settings.refuse_property(&property, &reason),
                }
            }
            if section == KAFKA_CLIENT {
                // Here, so that what is added for want of it stands with what was given for all clients.
                judged.extend(cluster.complete());
            }
        }
        for (property, fate) in &judged {
            cluster.remark(property, fate);
            settings.enter_property(property, fate);
        }
        if let Some(Servers(servers)) = servers {
            cluster.properties.set_servers(servers);
        }
        // What is said of it may be what is wrong.
        let is_sound = settings.fault_count() == fault_count;
        if log == LogKind::Kafka && is_sound && cluster.properties.servers().is_none() {
            settings.refuse(
                "log",
                "nobody says where the cluster is: give --bootstrap-servers host:port, or bootstrap.servers in \
                 [kafka_client] of the settings file",
            );
        }
        cluster
    }

    fn judge(&mut self, scope: Scope, property: &Property, has_servers: bool) -> Result<Fate, String> {
        let Property { name, value, .. } = property;
        if has_servers && Properties::is_of_servers(name) {
            return Ok(Fate::Ignored { because: "bootstrap_servers is given".to_owned() });
        }
        match self.properties.add(scope, name, value) {
            Verdict::Taken => Ok(Fate::Taken),
            Verdict::Changed { to, because } => Ok(Fate::Changed { to, because: because.to_owned() }),
            Verdict::Ignored { because } => Ok(Fate::Ignored { because: because.to_owned() }),
            Verdict::Unknown => {
                let nearest = most_like(name, Properties::known_names().iter().map(|name| (*name).to_owned()));
                Err(nearest.map_or_else(
                    || "no property of librdkafka".to_owned(),
                    |nearest| format!("no property of librdkafka, the nearest is {nearest}"),
                ))
            }
            Verdict::Refused { .. } if is_secret(name) => Err("it is refused".to_owned()),
            Verdict::Refused { why } => Err(format!("it is refused: {why}")),
        }
    }

    fn complete(&mut self) -> Vec<(Property, Fate)> {
        let added = self.properties.complete().into_iter().map(|added| {
            let (name, value) = (added.name.to_owned(), added.value.to_owned());
            let property = Property { section: KAFKA_CLIENT, name, value, origin: Origin::Default };
            (property, Fate::Added { because: added.because.to_owned() })
        });
        added.collect()
    }

    fn remark(&mut self, property: &Property, fate: &Fate) {
        let name = &property.name;
        match fate {
            Fate::Taken | Fate::Added { .. } => {}
            Fate::Ignored { because } => self.remarks.push(format!("ignored: {name}, because {because}")),
            Fate::Changed { to, because } => self.remarks.push(format!("changed: {name}={to}, because {because}")),
        }
    }

    /// Where it is.
    pub(crate) fn servers(&self) -> &str {
        self.properties.servers().unwrap_or_default()
    }

    /// What of the file does not count, or not as it is there: a line for the operator.
    pub(crate) fn remarks(&self) -> Option<String> {
        let (first, others) = self.remarks.split_first()?;
        let mut line = first.clone();
        others.iter().for_each(|remark| write!(line, "; {remark}").expect("a String takes all"));
        Some(line)
    }

    /// Opens the log on it. Nothing is created here.
    ///
    /// # Errors
    /// What the log says: it does not let us in, or properties do not go together.
    pub(crate) fn open(
        &self,
        process: &ProcessSettings,
        instance: InstanceName,
        rows_folder: PathBuf,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn Log>, Stop> {
        let mut options = Options::new(self.properties.clone(), instance, rows_folder);
        options.max_record_bytes = usize::try_from(process.max_record_bytes.bytes()).unwrap_or(usize::MAX);
        options.gap = if process.accept_gap { Gap::Accept } else { Gap::Refuse };
        Ok(Arc::new(KafkaLog::open(options, Arc::clone(clock))?))
    }
}
