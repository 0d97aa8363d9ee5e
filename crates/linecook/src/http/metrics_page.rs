//! `/metrics`: what the workers and the log have measured, as OpenMetrics text.

use std::{fmt, sync::Arc};

use linecook_log::{Figure, GroupName, Log, Result, TopicPartition};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::Metrics;

/// The registry of a process.
pub(crate) struct MetricsPage {
    registry: Registry,
    metrics: Metrics,
}

impl MetricsPage {
    /// A page for a process on that log.
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        registry.register_collector(Box::new(LogFigures(Arc::clone(&log))));
        registry.register_collector(Box::new(Lags(log)));
        Self { registry, metrics }
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

/// How many records each group has not consumed yet, of services that do not run here, too.
#[derive(Debug)]
struct Lags(Arc<dyn Log>);

impl Lags {
    fn measure(&self) -> Result<Vec<(GroupName, TopicPartition, u64)>> {
        let topics = self.0.describe()?;
        let end = |at: &TopicPartition| topics.iter().find(|topic| topic.name == at.topic)?.partition(at.partition);
        let mut lags = Vec::new();
        for group in self.0.groups()? {
            for (at, offset) in group.offsets {
                let lag = end(&at).map_or(0, |partition| partition.end.0.saturating_sub(offset.0));
                lags.push((group.name.clone(), at, lag));
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
