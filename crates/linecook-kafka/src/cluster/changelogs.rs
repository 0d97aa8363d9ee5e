//! Topics that rows are kept in: a record a row, the newest of each key for ever.

use linecook_log::{Error, Result, TopicName};

use super::Cluster;
use crate::{
    fault,
    native::{Fault, admin},
};

/// What brokers do about records that are old.
const CLEANUP_POLICY: &str = "cleanup.policy";
/// They keep the newest of each key.
const COMPACT: &str = "compact";

/// What a changelog is created with: deletions are kept for a day.
pub(crate) const SETTINGS: &[(&str, &str)] = &[(CLEANUP_POLICY, COMPACT), ("delete.retention.ms", "86400000")];

impl Cluster {
    /// That brokers keep the rows in these topics, which somebody else may have created.
    ///
    /// # Errors
    /// `Invalid`: in one of them they do not. `Unavailable`.
    pub(crate) fn check_compacted(&self, changelogs: &[TopicName]) -> Result<()> {
        self.check_answering()?;
        let found = admin::settings(&self.client(), changelogs, CLEANUP_POLICY, self.patience());
        let found = found.map_err(|fault| self.error("the settings of topics cannot be asked for", fault))?;
        found.iter().try_for_each(|(changelog, policy)| match policy {
            Ok(policy) => check_policy(changelog, policy),
            Err(code) if fault::is_missing_right(*code) => {
                tracing::warn!(%changelog, "whether it is compacted is not known without the right DescribeConfigs");
                Ok(())
            }
            // One that was created a moment ago is not known to every broker.
            Err(code) if fault::is_passing(*code) => Ok(()),
            Err(code) => {
                let what = format!("the settings of a topic cannot be asked for: topic={changelog}");
                Err(self.error(what, Fault::of_code(*code)))
            }
        })
    }
}

/// `delete` alone is what a topic has when nobody has chosen anything. With both somebody has chosen that rows go which
/// nobody has written for the topic's `retention.ms`.
fn check_policy(changelog: &TopicName, policy: &str) -> Result<()> {
    if policy == COMPACT {
        return Ok(());
    }
    if policy.split(',').any(|chosen| chosen.trim() == COMPACT) {
        tracing::warn!(%changelog, policy, "rows are lost that nobody has written for the topic's retention.ms");
        return Ok(());
    }
    Err(Error::invalid(format!(
        "brokers delete what is old in this changelog, and so rows of a table; set its {CLEANUP_POLICY} to {COMPACT}: \
         topic={changelog} {CLEANUP_POLICY}={policy}"
    )))
}
