//! The settings that every program has.

use std::{path::PathBuf, time::Duration};

use linecook_log::InstanceName;

use super::{Program, logging::LogFormat};
use crate::settings::{ByteSize, HostPort, Key, Settings};

#[derive(Debug, Clone)]
pub(crate) struct ProcessSettings {
    pub(crate) data_dir: PathBuf,
    pub(crate) http_address: HostPort,
    pub(crate) instance: InstanceName,
    pub(crate) partitions: u32,
    pub(crate) workers: u32,
    pub(crate) retention: Duration,
    pub(crate) retention_bytes: Option<ByteSize>,
    pub(crate) reserve_bytes: ByteSize,
    pub(crate) max_record_bytes: ByteSize,
    pub(crate) log_format: LogFormat,
}

impl ProcessSettings {
    pub(crate) fn from_settings(settings: &mut Settings, program: &Program) -> Self {
        let data_dir = Key::new("data_dir", "where the log and the tables are kept");
        let http_address = Key::new("http_address", "where HTTP is answered, as host:port; port 0 takes a free one");
        let instance = Key::new("instance", "the name of this process among those of its services");
        let partitions = Key::new("partitions", "how many partitions a new topic gets").within(1..=1024);
        let workers = Key::new("workers", "how many threads each service works with").within(1..=64);
        let retention = Key::new("retention_days", "how long records are kept").within(1..=36_500);
        let retention_bytes = Key::new("retention_bytes", "how much the log may take; without it, what the disk has");
        let reserve = Key::new("reserve_bytes", "writes are refused while the disk has less free space than this");
        let max_record = Key::new("max_record_bytes", "the largest record").within(1024..=16 << 20);
        let log_format = Key::new("log_format", "how events are told on standard error: text or json");
        let default_data_dir = PathBuf::from(format!("./{}-data", program.name));
        Self {
            data_dir: settings.get(data_dir, default_data_dir),
            http_address: settings.get(http_address, default_address(program)),
            instance: settings.get(instance, Instance::of_host()).0,
            partitions: settings.get(partitions, 4),
            workers: settings.get(workers, 1),
            retention: settings.get(retention, Duration::from_hours(7 * 24)),
            retention_bytes: settings.optional(retention_bytes),
            reserve_bytes: settings.get(reserve, ByteSize::mebibytes(256)),
            max_record_bytes: settings.get(max_record, ByteSize::mebibytes(1)),
            log_format: settings.get(log_format, LogFormat::Text),
        }
    }
}

/// Loopback, at the port of the first service.
fn default_address(program: &Program) -> HostPort {
    let port = program.services.first().map_or(5000, |service| service.port);
    format!("127.0.0.1:{port}").parse().expect("this is an address")
}

/// The name of an instance as a setting.
struct Instance(InstanceName);

impl Instance {
    /// The host's name, and 1: on the embedded log only one process uses a data directory.
    fn of_host() -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let name = InstanceName::new(format!("{host}-1"));
        Self(name.unwrap_or_else(|_| InstanceName::new("localhost-1").expect("this is a name")))
    }
}

impl crate::settings::SettingValue for Instance {
    type Written = String;

    fn expected() -> Option<String> {
        Some("a name of a-z A-Z 0-9 . _ -".to_owned())
    }

    fn from_written(written: String) -> Result<Self, String> {
        InstanceName::new(written).map(Self).map_err(|_| "not such a name".to_owned())
    }

    fn to_written(&self) -> String {
        self.0.to_string()
    }
}
