//! `/metrics`: what the workers and the log have measured, as OpenMetrics text.

use std::{fmt, sync::Arc};

use linecook_log::{Figure, GroupName, GroupSpec, Log, PartitionDescription, Result, TopicPartition};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};

use crate::Metrics;

/// The registry of a process.
pub(crate) struct MetricsPage {
    registry: Registry,
    metrics: Metrics,
    http: HttpMetrics,
}

/// What becomes of clients before a route has them.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpMetrics {
    pub(super) connections: Gauge,
    /// By the status of the answer; `none` for those who got none.
    pub(super) refused: Family<[(&'static str, String); 1], Counter>,
}

impl MetricsPage {
    /// A page for a process on that log, which has these groups.
    pub(crate) fn new(log: Arc<dyn Log>, groups: Vec<GroupSpec>) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let http = HttpMetrics::default();
        registry.register("linecook_http_connections", "HTTP connections that are open", http.connections.clone());
        registry.register(
            "linecook_http_refused",
            "HTTP requests that no route has got, by the status of the answer",
            http.refused.clone(),
        );
        registry.register_collector(Box::new(LogFigures(Arc::clone(&log))));
        registry.register_collector(Box::new(Lags { log, groups }));
        Self { registry, metrics, http }
    }

    /// What the server measures with.
    pub(crate) fn http(&self) -> HttpMetrics {
        self.http.clone()
    }

    /// What workers measure with.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// What the log says of itself, asked for when the page is.
#[derive(Debug)]
struct LogFigures(Arc<dyn Log>);

impl Collector for LogFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Figure { name, help, value } in self.0.status().figures {
            let help = help.trim_end_matches('.');
            // The encoder adds the suffix of a counter itself.
            match name.strip_suffix("_total") {
                Some(name) => {
                    let counter = ConstCounter::new(value);
                    let name = format!("linecook_{name}");
                    counter.encode(encoder.encode_descriptor(&name, help, None, counter.metric_type())?)?;
                }
                None => {
                    let gauge = ConstGauge::new(value);
                    let name = format!("linecook_{name}");
                    gauge.encode(encoder.encode_descriptor(&name, help, None, gauge.metric_type())?)?;
                }
            }
        }
        Ok(())
    }
}

/// How many records each group of the program has not consumed yet, of services that do not run here, too. Others may be
/// on the same log; they are none of its business.
#[derive(Debug)]
struct Lags {
    log: Arc<dyn Log>,
    groups: Vec<GroupSpec>,
}

impl Lags {
    fn measure(&self) -> Result<Vec<(GroupName, TopicPartition, u64)>> {
        let names: Vec<_> = self.groups.iter().map(|group| group.name.clone()).collect();
        let mut topics: Vec<_> = self.groups.iter().flat_map(|group| &group.topics).cloned().collect();
        topics.sort();
        topics.dedup();
        let topics = self.log.describe_only(&topics)?;
        let end = |at: &TopicPartition| topics.iter().find(|topic| topic.name == at.topic)?.partition(at.partition);
        let mut lags = Vec::new();
        for group in self.log.groups_only(&names)? {
            for (at, offset) in group.offsets {
                let Some(PartitionDescription { end, .. }) = end(&at) else { continue };
                lags.push((group.name.clone(), at, end.0.saturating_sub(offset.0)));
            }
        }
        Ok(lags)
    }
}

impl Collector for Lags {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // While the log cannot say, the page says nothing of it.
        let Ok(lags) = self.measure() else { return Ok(()) };
        let help = "Records that a service has not consumed yet";
        let mut family = encoder.encode_descriptor("linecook_lag_records", help, None, MetricType::Gauge)?;
        for (service, TopicPartition { topic, partition }, lag) in lags {
            let partition = partition.to_string();
            let labels = [("service", service.as_str()), ("topic", topic.as_str()), ("partition", &partition)];
            ConstGauge::new(i64::try_from(lag).unwrap_or(i64::MAX)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use linecook_log::TopicName;

    use super::*;
    use crate::testing::ScriptedLog;

    /// It told how far all groups were that the log had. On a cluster that others use, too, that was theirs as well, named
    /// as services of ours, and a question for each of them at each look at the page.
    #[test]
    fn the_groups_of_others_are_not_on_the_page() {
        let log = ScriptedLog::with_topics(&["words", "numbers"]);
        log.0.lock().group_offsets = vec![("adder", "numbers/0", 0), ("shouter", "words/1", 0)];
        let shouter = GroupName::new("shouter").unwrap();
        let groups = vec![GroupSpec { name: shouter, topics: vec![TopicName::new("words").unwrap()] }];
        let page = MetricsPage::new(Arc::new(log), groups).text().unwrap();
        let lags: Vec<_> = page.lines().filter(|line| line.starts_with("linecook_lag_records{")).collect();
        assert_eq!(lags, [r#"linecook_lag_records{service="shouter",topic="words",partition="1"} 0"#]);
    }
}
