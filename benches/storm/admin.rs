//! An administrator who keeps viewing the list of all phones, as the admin page does.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use gangway_sim::{LoginForm, session::AppSession};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::site::{PASSWORD, Site};

/// Response timeout, longer than a user would wait.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An open page.
pub struct AdminPage {
    session: AppSession,
    requests: u32,
    /// The latency of each response.
    pub answers: Rc<RefCell<Vec<Duration>>>,
}

impl AdminPage {
    pub async fn open(site: &Site) -> Self {
        let app = "gangway-admin";
        let form = LoginForm {
            app: app.into(),
            domain: "example.com".into(),
            sip: "anna.admin".into(),
            guid: "5cb0d3a8c5a84f4b9e0c0f8c7a6b5d4e".into(),
            dn: "Anna Admin".into(),
            info: Some(json!({ "appobj": app, "pbx": "pbx", "cn": "Anna Admin", "groups": [] })),
            pbx_obj: Some(app.into()),
            password: PASSWORD.into(),
        };
        let url = format!("ws://{}/example.com/gangway", site.http);
        let session = AppSession::open(&site.host.handle(), &url, form).await.expect("the page opens");
        Self { session, requests: 0, answers: Rc::default() }
    }

    /// Repeats the same queries: a page of all phones, one of search results, and one from the end of the list.
    pub async fn look(mut self) {
        let questions = [
            json!({ "query": {}, "sort": { "by": "mac", "descending": false }, "offset": 0 }),
            json!({ "query": { "search": "atlantis 80:5e" }, "sort": { "by": "stage", "descending": true }, "offset": 0 }),
            json!({ "query": {}, "sort": { "by": "lastRequest", "descending": true }, "offset": 40 }),
        ];
        for question in questions.iter().cycle() {
            let begun = Instant::now();
            let is_answered = timeout(TIMEOUT, self.ask(question)).await.unwrap_or(false);
            let took = if is_answered { begun.elapsed() } else { Duration::MAX };
            self.answers.borrow_mut().push(took);
            if !is_answered {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Returns true when the complete response has arrived.
    async fn ask(&mut self, question: &Value) -> bool {
        self.requests += 1;
        let src = self.requests.to_string();
        let mut message = question.clone();
        message["mt"] = json!("Devices");
        message["api"] = json!("gangway");
        message["src"] = json!(src);
        message["count"] = json!(50);
        if !self.session.send(&message).await {
            return false;
        }
        while let Some(answer) = self.session.next().await {
            if answer["mt"] == "DevicesResult" && answer["src"] == src.as_str() && answer.get("part").is_none() {
                return answer.get("error").is_none();
            }
        }
        false
    }
}
