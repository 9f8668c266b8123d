//! A client of the admin page's API: an AppWebsocket logged in to `gangway-admin`.

use std::collections::VecDeque;

use gangway_base::mac::Mac;
use gangway_sim::{
    LoginForm,
    session::{AppSession, OpenError},
    simulation::Simulation,
};
use serde_json::{Value, json};

use super::{
    options::{DOMAIN, PASSWORD},
    records::TIMEOUT,
};

/// An open page.
pub struct Page {
    session: AppSession,
    requests: u32,
    /// Messages that arrived while waiting for an answer.
    later: VecDeque<Value>,
}

/// A login made by the PBX for a user who may open this app.
pub fn person(app: &str) -> LoginForm {
    LoginForm {
        app: app.into(),
        domain: DOMAIN.into(),
        sip: "anna.admin".into(),
        guid: "5cb0d3a8c5a84f4b9e0c0f8c7a6b5d4e".into(),
        dn: "Anna Admin".into(),
        info: Some(json!({ "appobj": app, "pbx": "pbx", "cn": "Anna Admin", "groups": [] })),
        pbx_obj: Some(app.into()),
        password: PASSWORD.into(),
    }
}

/// A login by password, without a PBX.
pub fn typed(password: &str) -> LoginForm {
    LoginForm {
        app: "gangway-admin".into(),
        sip: "gangway-admin".into(),
        guid: "0".repeat(32),
        dn: "Admin".into(),
        password: password.into(),
        ..LoginForm::default()
    }
}

impl Page {
    pub async fn open(simulation: &Simulation, url: &str) -> Self {
        Self::open_as(simulation, url, person("gangway-admin")).await.unwrap()
    }

    pub async fn open_as(simulation: &Simulation, url: &str, form: LoginForm) -> Result<Self, OpenError> {
        let session = AppSession::open(&simulation.host(), url, form).await?;
        Ok(Self { session, requests: 0, later: VecDeque::new() })
    }

    async fn next(&mut self) -> Value {
        let message = tokio::time::timeout(TIMEOUT, self.session.next()).await.expect("a message in time");
        let message = message.expect("the gateway closed the page's socket");
        assert!(message.to_string().len() <= 65_535, "a message longer than allowed: {}", message["mt"]);
        message
    }

    /// Sends a request without waiting for the answer; returns its `src`.
    pub async fn send(&mut self, mt: &str, body: Value) -> String {
        self.requests += 1;
        let src = self.requests.to_string();
        let mut message = json!({ "mt": mt, "api": "gangway", "src": src });
        message.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        assert!(self.session.send(&message).await);
        src
    }

    /// Sends a text unchanged.
    pub async fn send_text(&mut self, text: String) {
        assert!(self.session.send_text(text).await);
    }

    /// Sends a request and returns all parts of the answer.
    pub async fn parts(&mut self, mt: &str, body: Value) -> Vec<Value> {
        let src = self.send(mt, body).await;
        let (name, mut parts) = (format!("{mt}Result"), Vec::new());
        loop {
            let message = self.next().await;
            if message["mt"] != name || message["src"] != src {
                self.later.push_back(message);
                continue;
            }
            assert_eq!(message["api"], "gangway");
            let is_complete = message.get("part").is_none();
            parts.push(message);
            if is_complete {
                return parts;
            }
        }
    }

    /// Sends a request and returns the first part of the answer.
    pub async fn ask(&mut self, mt: &str, body: Value) -> Value {
        self.parts(mt, body).await.remove(0)
    }

    /// Requests a list and joins all parts.
    pub async fn rows(&mut self, mt: &str, body: Value, name: &str) -> Vec<Value> {
        let parts = self.parts(mt, body).await;
        parts
            .iter()
            .flat_map(|part| part[name].as_array().unwrap_or_else(|| panic!("no {name}: {part}")).clone())
            .collect()
    }

    /// Waits for a matching message.
    pub async fn until_message(&mut self, mt: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        while let Some(message) = self.later.pop_front() {
            if message["mt"] == mt && wanted(&message) {
                return message;
            }
        }
        loop {
            let message = self.next().await;
            if message["mt"] == mt && wanted(&message) {
                return message;
            }
        }
    }

    /// Opens a phone's page and waits until its status names this cause; returns the status.
    pub async fn until_cause(&mut self, mac: Mac, cause: &str) -> Value {
        let answer = self.ask("Phone", json!({ "mac": mac.spelled("-"), "subscribe": true })).await;
        assert_eq!(answer.get("error"), None, "{answer}");
        if answer["sentence"]["cause"] == cause {
            return answer["sentence"].clone();
        }
        let (of, mut now) = (mac.to_string(), answer["sentence"]["cause"].clone());
        let search = async {
            loop {
                let changed =
                    self.until_message("PhoneChanged", |until_message| until_message["phone"]["mac"] == of).await;
                now = changed["sentence"]["cause"].clone();
                if now == cause {
                    return changed["sentence"].clone();
                }
            }
        };
        match tokio::time::timeout(TIMEOUT / 2, search).await {
            Ok(sentence) => sentence,
            Err(_) => panic!("{mac} says {now}, not {cause}"),
        }
    }

    /// Subscribes to the list until this many phones match the query. The list is updated shortly after the records.
    pub async fn until_total(&mut self, query: Value, total: u64) {
        let parts = self.parts("Devices", json!({ "query": query, "subscribe": true })).await;
        let (src, displayed) = (parts[0]["src"].clone(), parts[0]["total"].clone());
        if displayed != total {
            self.until_message("DevicesChanged", |until_message| {
                until_message["src"] == src && until_message["total"] == total
            })
            .await;
        }
    }

    /// Queries the connections until those to the PBX and to Devices are up. They are opened one after the other.
    pub async fn until_devices(&mut self) -> Vec<Value> {
        let complete = async {
            loop {
                let connections = self.rows("Snapshot", json!({}), "connections").await;
                let is_up = |kind: &str| connections.iter().any(|row| row["kind"] == kind && row["state"] == "up");
                if is_up("pbx") && is_up("devices") {
                    return connections;
                }
            }
        };
        tokio::time::timeout(TIMEOUT, complete).await.expect("Devices is connected")
    }

    /// Triggers a button; returns the announced effect.
    pub async fn act(&mut self, mac: Mac, action: &str, more: Value) -> String {
        let mut body = json!({ "mac": mac, "action": action });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.ask("Act", body).await;
        assert_eq!(answer.get("error"), None, "{action}: {answer}");
        answer["will"]["text"].as_str().unwrap().to_owned()
    }

    /// The timeline of a phone.
    pub async fn timeline(&mut self, mac: Mac) -> Vec<Value> {
        self.later.clear();
        let src = self.send("Phone", json!({ "mac": mac })).await;
        let mut entries = Vec::new();
        loop {
            let part = self.until_message("PhoneTimeline", |until_message| until_message["src"] == src).await;
            entries.extend(part["entries"].as_array().unwrap().clone());
            if part["last"] == true {
                return entries;
            }
        }
    }
}
