//! Checks whether the gateway runs, whether the PBX is connected with its grants, and whether the redirect service
//! responds.

use std::{net::ToSocketAddrs, time::Duration};

use gangway_wire::appws::pbx_admin;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use super::CheckFinding;
use crate::{base::config::Config, pbx::app_objects::ADMIN_APP, phone::instance::InstanceId, redirect, store::Store};

/// Timeout of one connection attempt.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Pairs of what is reported and why.
type Texts = Vec<(String, String)>;

/// Queries the serving process through its ops listener for problems.
pub async fn gateway(config: &Config, findings: &mut Vec<CheckFinding>) {
    let Some(address) = config.ops.listen.first() else { return };
    match tokio::time::timeout(TIMEOUT, ready(address)).await {
        Ok(Ok((missing, remarks))) => {
            if missing.is_empty() {
                findings.push(CheckFinding::fine("the gateway is serving and ready"));
            }
            findings.extend(missing.into_iter().map(|(what, why)| CheckFinding::error(what, why)));
            findings.extend(remarks.into_iter().map(|(what, why)| CheckFinding::warning(what, why)));
        }
        Ok(Err(_)) | Err(_) => findings.push(CheckFinding::warning(
            format!("no gateway answers at [ops] {address}"),
            "start `gangway serve`; what needs it running is not checked",
        )),
    }
}

/// Returns the missing parts and the remarks that the process reports.
async fn ready(address: &str) -> std::io::Result<(Texts, Texts)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(1 << 20).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let value: serde_json::Value = serde_json::from_str(body).map_err(std::io::Error::other)?;
    let rows = |name: &str| value.get(name).and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let text =
        |row: &serde_json::Value, name: &str| row.get(name).and_then(|text| text.as_str()).unwrap_or("").to_owned();
    let texts = |name: &str| rows(name).iter().map(|row| (text(row, "what"), text(row, "why"))).collect();
    Ok((texts("missing"), texts("remarks")))
}

/// A vendor as described in its folder.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Name of its folder.
    pub vendor: String,
    /// Display name.
    pub title: String,
    /// The redirect protocol of its phones; `none` if there is none.
    pub protocol: String,
    /// The app objects of its providers.
    pub apps: Vec<String>,
}

impl Offered {
    /// Its providers.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.apps.iter().filter_map(|app| app.strip_prefix("gangway-"))
    }

    /// Whether the app object of a provider has ever connected.
    pub fn is_app_used(&self, provider: &str, instance: InstanceId, store: &Store) -> bool {
        store.learned().grants_of(instance, &format!("gangway-{provider}")).is_some()
    }

    /// Whether any of its app objects has ever connected. Unused vendors are not checked.
    pub fn is_used(&self, instance: InstanceId, store: &Store) -> bool {
        self.apps.iter().any(|app| store.learned().grants_of(instance, app).is_some())
    }
}

/// Checks the grants of the app objects at their last connection.
pub fn grants(label: &str, instance: InstanceId, offered: &[Offered], store: &Store, findings: &mut Vec<CheckFinding>) {
    let apps: Vec<&String> = offered.iter().flat_map(|one| &one.apps).collect();
    let granted = |app: &str| store.learned().grants_of(instance, app);
    if !apps.iter().any(|app| granted(app).is_some()) {
        let names: Vec<&str> = apps.iter().map(|app| app.as_str()).collect();
        findings.push(CheckFinding::warning(
            format!("{label}: no app object has connected yet; there are {}", names.join(", ")),
            "create those you need as docs/pbx-setup.md describes",
        ));
    }
    // Objects are edited over any app object of a PBX, so Admin is needed once. Which PBX it was is not kept.
    let has = |granted: &str, api: &str| granted.split(' ').any(|grant| grant == api);
    let mut all = apps.iter().map(|app| app.as_str()).chain([ADMIN_APP]);
    let is_admin_somewhere = all.any(|app| granted(app).is_some_and(|granted| has(&granted, pbx_admin::API)));
    for app in apps {
        let Some(granted) = granted(app) else { continue };
        for (api, flag) in [(pbx_admin::API, "Admin"), ("Services", "Services")] {
            let is_needed = api != pbx_admin::API || !is_admin_somewhere;
            if is_needed && !has(&granted, api) {
                findings.push(CheckFinding::error(
                    format!("{label}: the app object {app} lacked the flag {flag} when it connected last"),
                    format!("tick {flag} at the object in the PBX Manager"),
                ));
            }
        }
    }
}

/// Checks whether a vendor's redirect account is complete and its service accepts connections.
pub async fn redirect(
    label: &str,
    instance: InstanceId,
    offered: &Offered,
    store: &Store,
    findings: &mut Vec<CheckFinding>,
) {
    let Offered { vendor, title, protocol: usual, .. } = offered;
    let layers = store.settings().layers(instance);
    let get = |name: &str| {
        layers.get(&format!("redirect.{vendor}.{name}")).map(|value| value.expose().to_owned()).unwrap_or_default()
    };
    let protocol = get("protocol");
    if protocol == "none" || (protocol.is_empty() && usual == "none") {
        findings.push(CheckFinding::fine(format!(
            "{label}: {title} phones are directed by DHCP or by hand: `gangway vendors {vendor}` shows the texts"
        )));
        return;
    }
    if get("user").is_empty() || get("password").is_empty() {
        findings.push(CheckFinding::warning(
            format!("{label}: no redirect account for {title}: phones are not redirected by themselves"),
            format!(
                "`gangway settings set redirect.{vendor}.user NAME` and redirect.{vendor}.password; the account comes \
                 from the distributor"
            ),
        ));
        return;
    }
    let url = match get("url") {
        url if !url.is_empty() => url,
        _ => {
            let name = if protocol.is_empty() { usual.as_str() } else { protocol.as_str() };
            redirect::protocol(name).map_or(String::new(), |protocol| protocol.info.default_url.to_owned())
        }
    };
    let Some((host, port)) =
        Url::parse(&url).ok().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)))
    else {
        findings.push(CheckFinding::error(format!("{label}: redirect.{vendor}.url '{url}' is no URL"), "correct it"));
        return;
    };
    let connected = async {
        let address =
            (host.as_str(), port).to_socket_addrs()?.next().ok_or_else(|| std::io::Error::other("no address"))?;
        TcpStream::connect(address).await
    };
    match tokio::time::timeout(TIMEOUT, connected).await {
        Ok(Ok(_)) => {
            findings.push(CheckFinding::fine(format!("{label}: the redirect service {host}:{port} takes connections")));
        }
        Ok(Err(error)) => findings.push(CheckFinding::error(
            format!("{label}: the redirect service {host}:{port} is not reached: {error}"),
            "check DNS, firewall and net.proxy",
        )),
        Err(_) => findings.push(CheckFinding::error(
            format!("{label}: the redirect service {host}:{port} does not answer"),
            "check firewall and net.proxy",
        )),
    }
}
