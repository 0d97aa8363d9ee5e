//! A cluster that asks who one is, and the settings file of the article's services.

use std::{fs, path::Path};

use kafka_broker::{Broker, Options};

use crate::{
    article::ARTICLE,
    instance::Instance,
    kitchen::{Kitchen, broker, raw},
};

/// Filled in, with the authority of a cluster that is not on the internet.
fn article(broker: &Broker, password: &str) -> String {
    let authority = broker.certificates().unwrap().authority.display().to_string();
    ARTICLE
        .replace("{kafka bootstrap server}", &broker.sasl_ssl_servers().unwrap())
        .replace("{API Key or Username}", "cook")
        .replace("{API Secret or Password}", password)
        .replace("\n\n[consumer]", &format!("\nssl.ca.location={authority}\n\n[consumer]"))
}

fn kitchen(folder: &Path, text: &str) -> Kitchen {
    let file = folder.join("config.properties");
    fs::write(&file, text).unwrap();
    Kitchen::with_flags(&["--config", file.to_str().unwrap()])
}

#[test]
fn all_six_run_with_the_file_of_the_article() {
    let broker = broker(Options::default().user("cook", "b4silikum"));
    let folder = tempfile::tempdir().unwrap();
    let mut kitchen = kitchen(folder.path(), &article(&broker, "b4silikum"));
    kitchen.start_all();
    kitchen.until_ready();
    kitchen.serve(1..=10);
    raw(&broker).check_each_pizza_once().unwrap();
    let told = kitchen.instance("sauce-service").printed();
    assert!(told.contains("ignored: group.id, because"), "{told}");
    assert!(!told.contains("b4silikum"), "{told}");
    kitchen.close();
}

#[test]
fn a_wrong_password_ends_it_and_is_not_shown() {
    let broker = broker(Options::default().user("cook", "b4silikum"));
    let folder = tempfile::tempdir().unwrap();
    let kitchen = kitchen(folder.path(), &article(&broker, "p3tersilie"));
    let mut refused = kitchen.start_another("sauce-service", "refused", &[]);
    let told = refusal(&mut refused);
    assert!(told.to_lowercase().contains("authentication"), "{told}");
    assert!(!told.contains("p3tersilie"), "{told}");
}

/// What it has told when it ended with exit code 2.
pub(crate) fn refusal(refused: &mut Instance) -> String {
    let status = refused.wait();
    let told = refused.printed();
    assert_eq!(status.code(), Some(2), "{told}");
    told
}
