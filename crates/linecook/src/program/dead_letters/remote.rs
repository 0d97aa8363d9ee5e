//! The process that has a directory, asked by HTTP.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use ureq::{Agent, Body, http};

use super::{
    super::{Stop, process_settings::ProcessSettings},
    backend::Backend,
};
use crate::dead_letters::{Detail, Letter, RecordId, Selection};
use crate::settings::{HostPort, Secret};

/// The file in a data directory that says where its process answers.
const ADDRESS: &str = "http-address";

/// As long as the server gives itself for an answer, and a bit.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// Far more than ten thousand letters have.
const LARGEST_ANSWER_BYTES: u64 = 256 << 20;

/// Notes where a process answers that has a data directory, for whoever finds that in use.
pub(in crate::program) fn note_address(data_dir: &Path, address: SocketAddr) {
    if let Err(error) = fs::write(data_dir.join(ADDRESS), address.to_string()) {
        tracing::warn!(%error, "the data directory does not say where HTTP is answered; `dead-letters` may not find it");
    }
}

/// Whoever was there is no more: what has noted that is not to lead others there. For who has the directory.
pub(in crate::program) fn forget_address(data_dir: &Path) {
    // Who finds it anyway does not get an answer there.
    drop(fs::remove_file(data_dir.join(ADDRESS)));
}

/// Where the process answers that has a data directory, if it has noted that.
pub(in crate::program) fn noted_address(data_dir: &Path) -> Option<HostPort> {
    let noted = fs::read_to_string(data_dir.join(ADDRESS)).ok()?;
    reachable(noted.parse().ok()?).to_string().parse().ok()
}

pub(super) struct Remote {
    agent: Agent,
    url: String,
    token: Option<Secret>,
    max_record_bytes: u64,
}

#[derive(Deserialize)]
struct Letters {
    letters: Vec<Letter>,
}

#[derive(Deserialize)]
struct Told {
    detail: String,
}

impl Remote {
    /// The one that has the data directory.
    pub(super) fn of(process: &ProcessSettings) -> Self {
        let address = noted_address(&process.data_dir).unwrap_or_else(|| process.http_address.clone());
        let config = Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).http_status_as_error(false);
        // It is on this machine: no proxy of the environment is to hear what it says, and what proves who asks.
        let config = config.proxy(None);
        let url = format!("http://{address}/dead-letters");
        let max_record_bytes = process.max_record_bytes.bytes();
        Self { agent: config.build().into(), url, token: process.operator_token.clone(), max_record_bytes }
    }

    fn ask<T: DeserializeOwned>(&self, method: http::Method, path: &str, body: &[u8]) -> Result<T, Stop> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(body).map_err(|error| Stop::usage(error.to_string()))?;
        let answer = self.agent.run(request).map_err(|error| {
            Stop::failed(format!("the process that has the data directory does not answer: url={}: {error}", self.url))
        })?;
        read(answer)
    }
}

fn read<T: DeserializeOwned>(mut answer: http::Response<Body>) -> Result<T, Stop> {
    let failed = |error: ureq::Error| Stop::failed(format!("the answer was cut off: {error}"));
    let text = answer.body_mut().with_config().limit(LARGEST_ANSWER_BYTES).read_to_string().map_err(failed)?;
    if !answer.status().is_success() {
        let detail = serde_json::from_str(&text).map_or(text, |told: Told| told.detail);
        let stop = if answer.status().is_client_error() { Stop::usage } else { Stop::failed };
        return Err(stop(detail));
    }
    serde_json::from_str(&text).map_err(|error| Stop::failed(format!("an answer that is none: {error}")))
}

/// An address to be connected to: one that is bound to all of a machine's is no address of it.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, address.port())),
        _ => address,
    }
}

impl Backend for Remote {
    fn list(&self, with_retrying: bool) -> Result<Vec<Letter>, Stop> {
        let path = if with_retrying { "?waiting" } else { "" };
        self.ask(http::Method::GET, path, b"").map(|Letters { letters }| letters)
    }

    fn show(&self, id: &RecordId) -> Result<Detail, Stop> {
        self.ask(http::Method::GET, &format!("/{id}"), b"")
    }

    fn edit(&self, id: &RecordId, value: Option<&[u8]>) -> Result<Letter, Stop> {
        let how = if value.is_none() { "?null" } else { "" };
        let value = value.unwrap_or_default();
        let told = self.ask(http::Method::PUT, &format!("/{id}{how}"), value);
        // A server closes the connection of who sends more than it takes, which is all that is seen of it here.
        let is_large = value.len() as u64 > self.max_record_bytes;
        let hint = format!(
            "a record has {} bytes at most (max_record_bytes), and this {}",
            self.max_record_bytes,
            value.len()
        );
        told.map_err(|stop: Stop| if is_large { stop.with(&hint) } else { stop })
    }

    fn redrive(&self, selection: &Selection) -> Result<Vec<Letter>, Stop> {
        let body = serde_json::to_vec(selection).map_err(|error| Stop::failed(error.to_string()))?;
        self.ask(http::Method::POST, "/redrive", &body).map(|Letters { letters }| letters)
    }

    fn discard(&self, id: &RecordId, dry_run: bool) -> Result<Letter, Stop> {
        let how = if dry_run { "?dry_run" } else { "" };
        self.ask(http::Method::DELETE, &format!("/{id}{how}"), b"")
    }
}
