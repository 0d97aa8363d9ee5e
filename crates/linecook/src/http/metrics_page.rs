//! `/metrics`: what the workers and the log have measured, as OpenMetrics text.

use std::{fmt, sync::Arc};

use linecook_log::{Figure, Log};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
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
        registry.register_collector(Box::new(LogFigures(log)));
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
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
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
