//! The calls about server entries.

use serde_json::{Value, json};

use super::{
    reply::{Reply, given, text},
    state::{YmcsServer, YmcsState},
};

/// Returns the name of the first field that violates the reference.
fn problem(body: &Value) -> Option<&'static str> {
    let fits = |name: &str, most: usize| text(body, name).len() <= most;
    if text(body, "serverName").is_empty() || !fits("serverName", 20) {
        Some("serverName")
    } else if text(body, "url").is_empty() || !fits("url", 512) {
        Some("url")
    } else if !fits("authName", 32) {
        Some("authName")
    } else if !fits("password", 32) {
        Some("password")
    } else {
        None
    }
}

fn credentials(body: &Value) -> Option<(String, String)> {
    Some((given(body, "authName")?, given(body, "password").unwrap_or_default()))
}

impl YmcsState {
    pub(super) fn list_servers(&self, body: &Value) -> Reply {
        let filter = |name: &str| body.get("filter").map(|filter| text(filter, name)).unwrap_or_default();
        let (name, key) = (filter("name"), filter("searchKey"));
        let own = self.servers.iter().filter(|(known, server)| {
            server.is_ours && known.contains(name) && (known.contains(key) || server.url.contains(key))
        });
        let row = |(name, server): (&String, &YmcsServer)| {
            json!({
                "id": server.id,
                "serverName": name,
                "url": server.url,
                "authName": server.credentials.as_ref().map(|(user, _)| user),
            })
        };
        Reply::page(body, own.map(row).collect())
    }

    pub(super) fn add_server(&mut self, body: &Value) -> Reply {
        if let Some(field) = problem(body) {
            return Reply::parameter(field);
        }
        let name = text(body, "serverName").to_owned();
        if self.servers.contains_key(&name) {
            return Reply::error(400, 800_003, "The server already exists");
        }
        let id = self.fresh_id();
        let server =
            YmcsServer { id: id.clone(), is_ours: true, url: text(body, "url").into(), credentials: credentials(body) };
        self.servers.insert(name, server);
        Reply::created(json!({"id": id}))
    }

    pub(super) fn change_server(&mut self, id: &str, body: &Value) -> Reply {
        // Name and URL are both required even if only one of them changes.
        if let Some(field) = problem(body) {
            return Reply::parameter(field);
        }
        let own = self.servers.iter().find(|(_, server)| server.is_ours && server.id == id);
        let Some(known) = own.map(|(known, _)| known.clone()) else { return Reply::parameter("id") };
        if let Some(mut server) = self.servers.remove(&known) {
            server.url = text(body, "url").into();
            server.credentials = credentials(body).or(server.credentials);
            self.servers.insert(text(body, "serverName").into(), server);
        }
        Reply::nothing()
    }
}
