//! Settings files: the article's `config.properties`, and our own.

use linecook::settings::{FileKind, Settings, SettingsFile, Sources};

use crate::Check;

/// Any text is a file of settings or faults, and both can be printed.
pub(super) fn begin() -> Check {
    Box::new(|bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        for (kind, path) in [(FileKind::Ini, "config.properties"), (FileKind::Toml, "pizzeria.toml")] {
            let file = SettingsFile { path: path.into(), kind, text: text.to_owned() };
            let mut settings = Settings::load(Sources::new().with_file(file));
            for service in pizzeria::program().services {
                drop(service.service(&mut settings).expect("the services are well declared"));
            }
            let printed = match settings.finish() {
                Ok(effective) => effective.to_string(),
                Err(faults) => faults.to_string(),
            };
            assert!(!printed.is_empty());
        }
    })
}
