//! A small client.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The detail of a problem.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        self.json()["detail"].as_str().unwrap().to_owned()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.status == 200 && self.json()["status"] == "ready"
    }
}

/// One connection that is kept.
pub(crate) struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).http_status_as_error(false);
        Self { agent: config.build().into(), url: url.to_owned() }
    }

    /// `None` when nobody answers.
    pub(crate) fn try_get(&self, path: &str) -> Option<Answer> {
        read(self.agent.get(format!("{}{path}", self.url)).call().ok()?)
    }

    /// `None` when nobody answers.
    pub(crate) fn try_post(&self, path: &str, key: Option<&str>) -> Option<Answer> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        read(request.send_empty().ok()?)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|| panic!("no answer: {path}"))
    }

    /// As an operator with that token.
    pub(crate) fn get_as(&self, token: &str, path: &str) -> Answer {
        let request = self.agent.get(format!("{}{path}", self.url)).header("Authorization", format!("Bearer {token}"));
        read(request.call().unwrap()).unwrap()
    }

    pub(crate) fn post(&self, path: &str) -> Answer {
        self.try_post(path, None).unwrap_or_else(|| panic!("no answer: {path}"))
    }

    pub(crate) fn put(&self, path: &str, body: &str) -> Answer {
        read(self.agent.put(format!("{}{path}", self.url)).send(body).unwrap()).unwrap()
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        read(self.agent.delete(format!("{}{path}", self.url)).call().unwrap()).unwrap()
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Option<Answer> {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (location, allow, retry_after) = (header("location"), header("allow"), header("retry-after"));
    let content_type = header("content-type").unwrap_or_default();
    let text = response.body_mut().with_config().limit(64 << 20).read_to_string().ok()?;
    Some(Answer { status: response.status().as_u16(), location, allow, retry_after, content_type, text })
}
