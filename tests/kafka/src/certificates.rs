//! Certificates for the listeners that ask for some.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, Result, java};

/// Where the certificates are that a client needs to talk to a broker with TLS. All keys are throw-away keys of this
/// machine, so their password is no secret.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Certificates {
    /// The authority that signed the broker's certificate, as PEM: librdkafka's `ssl.ca.location`.
    pub authority: PathBuf,
    /// A client's certificate and key signed by the same, as PKCS#12: librdkafka's `ssl.keystore.location`. Its principal
    /// is [`Certificates::CLIENT_PRINCIPAL`].
    pub client: PathBuf,
    /// The broker's certificate and key, as PKCS#12.
    pub(crate) broker: PathBuf,
}

impl Certificates {
    /// The password of the keystores: librdkafka's `ssl.keystore.password`.
    pub const PASSWORD: &str = "linecook";
    /// Who a client with the certificate is.
    pub const CLIENT_PRINCIPAL: &str = "User:CN=client";

    /// Takes those in the folder or makes them. Nobody else may do so at the same time.
    pub(crate) fn made_in(folder: &Path) -> Result<Self> {
        let [authority, client, broker] = ["authority.pem", "client.p12", "broker.p12"].map(|name| folder.join(name));
        if !folder.exists() {
            let unfinished = folder.with_extension("unfinished");
            fs::remove_dir_all(&unfinished).ok();
            fs::create_dir_all(&unfinished).map_err(Error::cannot(format_args!("make {}", unfinished.display())))?;
            make(&unfinished)?;
            fs::rename(&unfinished, folder).map_err(Error::cannot("finish the certificates"))?;
        }
        Ok(Self { authority, client, broker })
    }
}

fn make(folder: &Path) -> Result<()> {
    let of = |name: &str| folder.join(name).display().to_string();
    let all = of("all.p12");
    let new = "-genkeypair -keyalg EC -groupname secp256r1 -validity 3650 -storetype PKCS12";
    let signed = "-signer authority";
    let keys = [
        format!("{new} -alias authority -dname CN=authority -ext bc:critical=ca:true"),
        format!("{new} -alias broker -dname CN=broker {signed} -ext san=ip:127.0.0.1,dns:localhost"),
        format!("{new} -alias client -dname CN=client {signed}"),
    ];
    for key in keys {
        keytool(&key, &["-keystore", &all, "-storepass", Certificates::PASSWORD])?;
    }
    let authority = ["-keystore", &all, "-storepass", Certificates::PASSWORD, "-file", &of("authority.pem")];
    keytool("-exportcert -rfc -alias authority", &authority)?;
    for name in ["broker", "client"] {
        let from = ["-srckeystore", &all, "-srcstorepass", Certificates::PASSWORD, "-srcalias", name];
        let own = of(&format!("{name}.p12"));
        let to = ["-destkeystore", &own, "-deststorepass", Certificates::PASSWORD, "-deststoretype", "PKCS12"];
        keytool("-importkeystore -noprompt", &[from, to].concat())?;
    }
    fs::remove_file(all).map_err(Error::cannot("remove the authority's key"))
}

/// Paths are given apart from the rest: they may have spaces.
fn keytool(what: &str, paths: &[&str]) -> Result<()> {
    let mut command = Command::new(java::tool("keytool"));
    java::run(command.args(what.split(' ')).args(paths), "Java's keytool").map(drop)
}
