//! The calls of the REST interface.

use gangway_base::mac::Mac;
use serde_json::{Map, Value, json};

use super::state::{SrapsEndpoint, SrapsState};

/// Default page size.
const PAGE: usize = 20;

pub(super) struct SrapsReply {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) link: Option<String>,
}

fn ok(body: Value) -> SrapsReply {
    SrapsReply { status: 200, body: Some(body), link: None }
}

fn error(state: &SrapsState, status: u16, text: &str) -> SrapsReply {
    SrapsReply { status, body: Some(json!({state.switches.error_field: text})), link: None }
}

pub(super) fn perform(
    state: &mut SrapsState,
    account: &str,
    method: &str,
    whole: &str,
    body: &[u8],
    base: &str,
) -> SrapsReply {
    let Some(account_facts) = state.accounts.get(account).cloned() else { return error(state, 401, "Unauthorized") };
    let company = account_facts.company.clone();
    let root = state.switches.links_to.clone().unwrap_or_else(|| base.to_owned());
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    let parts: Vec<&str> = path.split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["settings", ""]) => {
            let all = state.settings.iter().map(|known| {
                json!({"uuid": known.uuid, "param_name": known.name, "section": known.section, "description": "A setting of the phone"})
            });
            page(state, all.collect(), &format!("{root}/api/v1/settings/"), query)
        }
        ("GET", ["tokens", id]) if *id == account => {
            ok(json!({"id": id, "links": {"company": format!("{root}/api/v1/companies/{company}")}}))
        }
        ("GET", ["companies", id]) if *id == company => ok(json!({"uuid": id, "name": "Ours", "links": {
            "endpoints": format!("{root}/api/v1/companies/{company}/endpoints/"),
            "provisioning_profiles": format!("{root}/api/v1/companies/{company}/provisioning-profiles/"),
        }})),
        ("GET", ["companies", id, "endpoints", ""]) if *id == company => {
            let own = state.endpoints.iter().filter(|(_, entry)| entry.company == company);
            let own = own.map(|(mac, entry)| shown(mac, entry)).collect();
            page(state, own, &format!("{root}/api/v1/companies/{company}/endpoints/"), query)
        }
        (_, ["companies", id, "endpoints", mac]) if *id == company => {
            let Some(mac) = mac.parse::<Mac>().ok().filter(|_| mac.len() == 12) else {
                return error(state, 400, "Invalid mac address");
            };
            endpoint(state, &company, account_facts.may_write, method, &mac.to_string(), body)
        }
        ("GET", _) => error(state, 404, "Not found"),
        _ => error(state, 405, "Method not allowed"),
    }
}

fn endpoint(
    state: &mut SrapsState,
    company: &str,
    may_write: bool,
    method: &str,
    mac: &str,
    body: &[u8],
) -> SrapsReply {
    let held = state.endpoints.get(mac).cloned();
    let is_foreign = held.as_ref().is_some_and(|entry| entry.company != company);
    let foreign = state.switches.foreign_status;
    match (method, held) {
        ("GET" | "DELETE", Some(_)) if is_foreign && state.switches.hides_foreign => error(state, 404, "Not found"),
        ("GET" | "DELETE", Some(_)) if is_foreign => error(state, foreign, "User lacks permission to endpoint"),
        ("GET" | "DELETE", None) => error(state, 404, "Not found"),
        ("GET", Some(entry)) => ok(shown(mac, &entry)),
        _ if !may_write => error(state, 403, "Forbidden for this role"),
        ("DELETE", Some(_)) => {
            state.endpoints.remove(mac);
            SrapsReply { status: 204, body: None, link: None }
        }
        ("PUT", _) if is_foreign => error(state, foreign, "taken_mac_or_forbidden"),
        ("PUT", held) => match accepted(state, mac, body) {
            Ok(object) => {
                let entry = SrapsEndpoint { company: company.to_owned(), body: Value::Object(object) };
                let answer = shown(mac, &entry);
                state.endpoints.insert(mac.to_owned(), entry);
                SrapsReply { status: if held.is_some() { 200 } else { 201 }, body: Some(answer), link: None }
            }
            Err(problem) => error(state, 400, &problem),
        },
        _ => error(state, 405, "Method not allowed"),
    }
}

/// Validates the object of a PUT, which replaces the existing one.
fn accepted(state: &SrapsState, mac: &str, body: &[u8]) -> Result<Map<String, Value>, String> {
    let object =
        serde_json::from_slice::<Map<String, Value>>(body).map_err(|error| format!("no JSON object: {error}"))?;
    if object.get("mac").and_then(Value::as_str).is_none_or(|reported_mac| !reported_mac.eq_ignore_ascii_case(mac)) {
        return Err("mac differs from the address".to_owned());
    }
    for name in object.keys() {
        let known = [
            "mac",
            "name",
            "autoprovisioning_enabled",
            "settings_manager",
            "provisioning_profile",
            "warranty_exp_warning_period",
        ];
        if !known.contains(&name.as_str()) {
            return Err(format!("unknown field {name}"));
        }
    }
    let settings = object.get("settings_manager").and_then(Value::as_object).cloned().unwrap_or_default();
    for (uuid, setting) in &settings {
        if !state.settings.iter().any(|known| known.uuid == *uuid) {
            return Err(format!("unknown setting {uuid}"));
        }
        let value = setting["value"].as_str().ok_or_else(|| format!("setting {uuid} has no value"))?;
        if *uuid == state.target_uuid() && !value.starts_with("http://") && !value.starts_with("https://") {
            return Err(format!("invalid url for setting {uuid}"));
        }
    }
    Ok(object)
}

/// The object as returned by the API, including fields that no client wrote.
fn shown(mac: &str, entry: &SrapsEndpoint) -> Value {
    let mut object = entry.body.as_object().cloned().unwrap_or_default();
    object.insert("mac".into(), mac.to_uppercase().into());
    object.entry("name").or_insert(Value::Null);
    object.entry("provisioning_profile").or_insert(Value::Null);
    object.entry("warranty_exp_warning_period").or_insert("P3M".into());
    object.insert("links".into(), json!({}));
    Value::Object(object)
}

fn page(state: &SrapsState, all: Vec<Value>, address: &str, query: &str) -> SrapsReply {
    let number = |name: &str, default: usize| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.and_then(|text| text.parse::<usize>().ok()).unwrap_or(default).max(1)
    };
    let size = number("page_size", PAGE).min(state.switches.largest_page);
    let page = number("page", 1);
    let total = all.len();
    let items: Vec<Value> = all.into_iter().skip((page - 1) * size).take(size).collect();
    let mut links = vec![format!("<{address}?page=1&page_size={size}>; rel=\"first\"")];
    if page * size < total {
        links.push(format!("<{address}?page={}&page_size={size}>; rel=\"next\"", page + 1));
    }
    SrapsReply { status: 200, body: Some(Value::Array(items)), link: Some(links.join(", ")) }
}
