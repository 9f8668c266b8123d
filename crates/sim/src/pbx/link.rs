//! The PBX's connection for one app object: login, PbxInfo, AppInfo, then requests from the gateway.

use std::time::Duration;

use gangway_base::tasks::Tasks;
use serde_json::{Value, json};

use super::{
    objects::AppObject,
    state::{Direction, PbxState, Recorded},
};
use crate::{
    board::Board,
    gate::Gates,
    login::LoginForm,
    session::{AppSession, Sender},
};

/// The answer to `message`: its name with `Result` appended, `api` and `src` echoed, and `content`.
pub(super) fn result(message: &Value, content: Value) -> Value {
    let mut answer = json!({});
    if let Some(api) = message.get("api") {
        answer["api"] = api.clone();
    }
    if let Value::Object(members) = content {
        members.into_iter().for_each(|(name, value)| answer[name.as_str()] = value);
    }
    answer["mt"] = format!("{}Result", message["mt"].as_str().unwrap_or_default()).into();
    if let Some(src) = message.get("src") {
        answer["src"] = src.clone();
    }
    answer
}

/// Keeps the connection of one app object open until the object is removed.
pub(super) async fn stay_connected(tasks: Tasks, board: Board<PbxState>, gates: Gates, name: String, born: u64) {
    let own = |state: &PbxState| state.links.get(&name).is_some_and(|link| link.born == born);
    let (mut pause, _) = board.read(|state| state.switches.reconnect);
    loop {
        board.changed_to(|state| !state.switches.away || !own(state)).await;
        if !board.read(own) {
            return;
        }
        let Some((app, form, epoch)) = board.change(|state| prepare(state, &name)) else { return };
        let (first, most) = board.read(|state| state.switches.reconnect);
        let changed = |state: &PbxState| !own(state) || state.links.get(&name).is_some_and(|link| link.epoch != epoch);
        match AppSession::open_here(&tasks, &app.websocket_url(), &form).await {
            Ok(session) => {
                pause = first;
                note(&board, &name, |link| {
                    link.connected = true;
                    link.logins += 1;
                    link.last_error = None;
                });
                tokio::select! {
                    () = serve(&tasks, &board, &gates, &name, session) => {}
                    () = board.changed_to(changed) => {}
                }
                note(&board, &name, |link| {
                    link.connected = false;
                    link.info_seen = false;
                });
            }
            Err(error) => note(&board, &name, |link| link.last_error = Some(error.to_string())),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = board.changed_to(changed) => tokio::time::sleep(first).await,
        }
        pause = most.min(pause.saturating_mul(2)).max(Duration::from_millis(1));
    }
}

fn prepare(state: &mut PbxState, name: &str) -> Option<(AppObject, LoginForm, u64)> {
    let app = state.apps.get(name)?.clone();
    let names = app.grants.iter().filter_map(|name| state.apps.get(name));
    let apps: Vec<Value> = names.map(|app| json!({ "name": app.name, "dn": app.dn })).collect();
    let info = json!({
        "appobj": app.name, "appdn": app.dn, "appurl": app.url, "pbx": state.config.name, "cn": app.dn,
        "unlicensed": true, "apps": apps,
    });
    let form = LoginForm {
        app: app.html_name().into(),
        domain: state.config.domain.clone(),
        sip: app.name.clone(),
        guid: app.guid.clone(),
        dn: app.dn.clone(),
        info: Some(info),
        pbx_obj: None,
        password: app.password.clone(),
    };
    let link = state.links.get_mut(name)?;
    link.attempts += 1;
    Some((app, form, link.epoch))
}

fn note(board: &Board<PbxState>, name: &str, set: impl FnOnce(&mut super::state::Link)) {
    board.change(|state| state.links.get_mut(name).map(set));
}

async fn send_recorded(board: &Board<PbxState>, name: &str, to: &Sender, message: Value) {
    to.send(&message).await;
    let app = name.to_owned();
    board.change(|state| state.recorded.push(Recorded { app, direction: Direction::Sent, message }));
}

fn greeting(state: &PbxState, name: &str) -> Option<[Value; 2]> {
    let app = state.apps.get(name)?;
    let apis = [("PbxAdminApi", app.admin), ("Services", app.services)];
    let apis: Vec<&str> = apis.iter().filter(|(_, granted)| *granted).map(|(api, _)| *api).collect();
    let PbxState { config, .. } = state;
    Some([
        json!({
            "mt": "PbxInfo", "domain": config.domain, "pbx": config.name, "pbxDns": config.dns, "apis": apis,
            "version": "14r2", "build": "140000",
        }),
        json!({ "mt": "AppInfo", "app": app.html_name() }),
    ])
}

async fn serve(tasks: &Tasks, board: &Board<PbxState>, gates: &Gates, name: &str, mut session: AppSession) {
    let key = session.session_key().to_owned();
    let out = session.sender();
    for message in board.read(|state| greeting(state, name)).into_iter().flatten() {
        send_recorded(board, name, &out, message).await;
    }
    let mut subscribed: Option<Value> = None;
    let mut sent_version = board.read(|state| state.services_version);
    loop {
        tokio::select! {
            message = session.next() => {
                let Some(message) = message else { return };
                let app = name.to_owned();
                let record = Recorded { app, direction: Direction::Received, message: message.clone() };
                board.change(|state| state.recorded.push(record));
                match message["mt"].as_str() {
                    Some("SubscribeServices") => {
                        subscribed = Some(message["src"].clone());
                        sent_version = board.read(|state| state.services_version);
                    }
                    Some("UnsubscribeServices") => subscribed = None,
                    _ => {}
                }
                let (board, gates, name) = (board.clone(), gates.clone(), name.to_owned());
                let (key, out) = (key.clone(), out.clone());
                let stop = tasks.stop_token();
                let inside = tasks.clone();
                tasks.spawn_local("sim pbx request", async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = request(&board, &gates, &name, &key, &out, &message) => connect_new(&inside, &board, &gates),
                    }
                });
            }
            () = board.changed_to(|state| state.services_version != sent_version) => {
                sent_version = board.read(|state| state.services_version);
                if let Some(src) = &subscribed {
                    let list = board.read(|state| state.services_info(name, src));
                    send_recorded(board, name, &out, list).await;
                }
            }
        }
    }
}

/// Opens the connections of app objects that a request has created.
fn connect_new(tasks: &Tasks, board: &Board<PbxState>, gates: &Gates) {
    let new = board.change(|state| {
        let names = std::mem::take(&mut state.to_connect);
        let born = state.services_version;
        for name in &names {
            state.links.insert(name.clone(), super::state::Link { born, ..super::state::Link::default() });
        }
        names.into_iter().map(|name| (name, born)).collect::<Vec<_>>()
    });
    for (name, born) in new {
        let (inside, board, gates, stop) = (tasks.clone(), board.clone(), gates.clone(), tasks.stop_token());
        tasks.spawn_local("sim pbx link", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = stay_connected(inside, board, gates, name, born) => {}
            }
        });
    }
}

async fn request(board: &Board<PbxState>, gates: &Gates, name: &str, key: &str, out: &Sender, message: &Value) {
    let mt = message["mt"].as_str().unwrap_or_default();
    gates.pass(mt).await;
    let answers = match (message["api"].as_str(), mt) {
        (Some("Services"), _) => board.read(|state| state.answer_services(name, key, message)),
        (Some("PbxAdminApi"), _) => board.change(|state| state.answer_admin_api(name, message)),
        (None, "AppInfoResult") => {
            board.change(|state| app_info(state, name, message));
            Vec::new()
        }
        _ => Vec::new(),
    };
    gates.pass(&format!("{mt}Result")).await;
    for answer in answers {
        send_recorded(board, name, out, answer).await;
    }
}

/// Stores the information at every app object whose start page was asked for.
fn app_info(state: &mut PbxState, name: &str, message: &Value) {
    let key = if state.switches.reads_misspelt_info { "seviceInfo" } else { "serviceInfo" };
    let published = message.get(key).cloned();
    let Some(app) = state.apps.get_mut(name) else { return };
    if app.service_info != published {
        app.service_info = published;
        state.services_version += 1;
    }
    if let Some(link) = state.links.get_mut(name) {
        link.info_seen = true;
    }
}
