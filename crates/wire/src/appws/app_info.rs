//! AppInfo: after login the PBX asks for information about an app. The result publishes the app's APIs at the app
//! object.

use serde_json::{Map, Value, json};

use super::envelope::{Envelope, Outgoing};
use crate::lenient_json;

/// Name of the API that makes an app a provisioning provider.
pub const PROVISIONING_API: &str = "com.innovaphone.provisioning";

/// The request. It names the app by its start page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppInfo {
    /// The app's name; empty if the PBX sent none.
    pub app: String,
}

impl AppInfo {
    /// Reads an AppInfo; `None` for any other message.
    #[must_use]
    pub fn parse(message: &Envelope) -> Option<Self> {
        (message.mt == "AppInfo").then(|| Self { app: lenient_json::text_or_empty(&message.body, "app") })
    }
}

/// The result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppInfoResult {
    /// Do not offer the app to users as a separate app.
    pub hidden: bool,
    /// Published service APIs by id.
    pub service_apis: Map<String, Value>,
    /// Also write the key as `seviceInfo`, a typo that the vendor's documentation has in one place. For old PBX
    /// firmware; off by default.
    pub misspelt_too: bool,
}

impl AppInfoResult {
    /// The result for a provisioning provider. `title` is what users select as manufacturer.
    #[must_use]
    pub fn provider(title: &str) -> Self {
        let mut apis = Map::new();
        apis.insert(PROVISIONING_API.to_owned(), json!({ "title": title }));
        Self { hidden: true, service_apis: apis, misspelt_too: false }
    }

    /// The result for an app with a page and without APIs.
    #[must_use]
    pub fn page() -> Self {
        Self::default()
    }

    /// Writes the result for `request`.
    pub fn answer(&self, request: &Envelope) -> Outgoing {
        let answer = request
            .answer("AppInfoResult")
            .maybe("app", lenient_json::text(&request.body, "app"))
            .field("info", json!({ "hidden": self.hidden, "apis": {} }));
        if self.service_apis.is_empty() {
            return answer;
        }
        let service_info = json!({ "apis": self.service_apis });
        let answer = answer.field("serviceInfo", &service_info);
        if self.misspelt_too { answer.field("seviceInfo", &service_info) } else { answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_publishes_its_title() {
        let question = Envelope::parse(r#"{"mt":"AppInfo","src":"4","app":"gangway-snom"}"#, 999).unwrap();
        assert_eq!(AppInfo::parse(&question).unwrap().app, "gangway-snom");
        let answer = AppInfoResult::provider("Snom");
        assert_eq!(
            answer.answer(&question).text(),
            r#"{"mt":"AppInfoResult","src":"4","app":"gangway-snom","info":{"hidden":true,"apis":{}},"serviceInfo":{"apis":{"com.innovaphone.provisioning":{"title":"Snom"}}}}"#
        );
        let both = AppInfoResult { misspelt_too: true, ..answer }.answer(&question).text();
        assert!(both.contains("\"serviceInfo\"") && both.contains("\"seviceInfo\""));
        assert!(!AppInfoResult::page().answer(&question).text().contains("erviceInfo"));
    }
}
