//! The boot sequence: the redirection service while no settings URL is known, the model's file, the phone's own file,
//! files that these name, registration.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use url::Url;

use super::{
    SnomFlash, SnomPhone,
    accounts::{SnomAccount, accounts},
    model::SnomKind,
};
use crate::{
    fetch,
    pbx::RegisterAnswer,
    phone_boot::{AccountRegistration, FileFetch, pairs},
};

/// How often a file may name another settings URL within one check.
const MOVES: usize = 4;
/// Maximum number of further files per check.
const FILES: usize = 16;

/// What the phone did at power-on or at the end of its polling interval.
#[derive(Debug, Clone, Default)]
pub struct SnomBootReport {
    /// All requests for files, including challenged ones.
    pub requests: Vec<FileFetch>,
    /// Names and bodies of the files answered with 200.
    pub files: Vec<(String, String)>,
    /// Ignored files with the reason.
    pub ignored: Vec<(String, String)>,
    /// True if the phone had no settings URL and asked the redirection service.
    pub redirected: bool,
    /// True if no setting has changed.
    pub unchanged: bool,
    /// Enabled accounts and the answers of the PBX.
    pub registrations: Vec<AccountRegistration<SnomAccount>>,
    /// True if at least one account is enabled and all enabled accounts are registered.
    pub registered: bool,
    /// True if a transfer failed. The phone keeps its settings and retries at the next check.
    pub failed: bool,
}

impl SnomBootReport {
    /// The requests as (file, status) pairs.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&str, u16)> {
        pairs(&self.requests)
    }
}

enum Ending {
    Found(String),
    NotThere,
    Failed,
}

pub(super) async fn check(phone: &SnomPhone, powered_on: bool) -> SnomBootReport {
    let mut report = SnomBootReport::default();
    let before = phone.board.read(|flash| flash.settings.clone());
    for _ in 0..MOVES {
        let (base, own) = phone.board.read(|flash| match settings_url(flash, phone.model.kind) {
            Some(url) => (Some(url.to_owned()), true),
            None => (flash.redirection_url.clone(), false),
        });
        let Some(base) = base else { break };
        report.redirected |= !own;
        report.failed = !fetch_files(phone, &mut report, &base).await;
        let moved = phone.board.read(|flash| settings_url(flash, phone.model.kind).is_some_and(|url| url != base));
        // A URL from the redirection service is used at once. A URL named in a file is used from the next check on.
        if own || !moved {
            break;
        }
    }
    report.unchanged = phone.board.read(|flash| flash.settings == before);
    if powered_on || !report.unchanged {
        register(phone, &mut report).await;
    } else {
        let last = phone.board.read(|flash| flash.reports.last().map(|last| last.registered));
        report.registered = last.unwrap_or_default();
    }
    report
}

fn settings_url(flash: &SnomFlash, kind: SnomKind) -> Option<&str> {
    flash.settings.get(match kind {
        SnomKind::Desk | SnomKind::Rtx => "setting_server",
        SnomKind::Vtech => "provisioning/server_address",
    })
}

/// The file names that a settings URL implies, and the base URL they are fetched from.
fn names(phone: &SnomPhone, url: &str) -> Vec<String> {
    let mac = phone.mac.spelled("");
    if url.contains("{mac}") {
        return vec![url.replace("{mac}", &mac)];
    }
    let place = Url::parse(url).ok();
    let last = place.as_ref().and_then(|url| url.path().rsplit('/').next()).unwrap_or_default().to_owned();
    if last.contains('.') {
        if phone.model.kind == SnomKind::Vtech {
            return vec![url.to_owned()];
        }
        // A file name without the MAC: that file first, then the phone's own file next to it.
        let own = match last.rsplit_once('.') {
            Some((stem, ending)) => format!("{stem}-{mac}.{ending}"),
            None => last.clone(),
        };
        return vec![url.to_owned(), url.replacen(&last, &own, 1)];
    }
    let base = url.trim_end_matches('/');
    phone.model.files(phone.mac).map(|file| format!("{base}/{file}")).to_vec()
}

/// Returns false if a transfer failed.
async fn fetch_files(phone: &SnomPhone, report: &mut SnomBootReport, base: &str) -> bool {
    let mut waiting = names(phone, base);
    let mut fetched = 0;
    while !waiting.is_empty() && fetched < FILES {
        let url = waiting.remove(0);
        fetched += 1;
        match ask(phone, report, &url).await {
            Ending::Found(file) => {
                let applied = phone.board.change(|flash| flash.settings.apply(&file, phone.model.kind));
                match applied {
                    Ok(further) => waiting.extend(further),
                    Err(reason) => report.ignored.push((file_name(&url), reason)),
                }
            }
            Ending::NotThere => {}
            Ending::Failed => return false,
        }
    }
    true
}

fn file_name(url: &str) -> String {
    let path = url.split('?').next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Returns `user:password@` from the URL, else the credentials from the settings.
fn credentials(phone: &SnomPhone, url: &mut Url) -> Option<(String, String)> {
    let inside =
        (!url.username().is_empty()).then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
    // Neither call fails for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let stored = || {
        let (user, password) = match phone.model.kind {
            SnomKind::Desk => ("http_client_user", "http_client_pass"),
            SnomKind::Rtx => ("http_client_user", "http_client_password"),
            SnomKind::Vtech => ("provisioning/server_username", "provisioning/server_access_password"),
        };
        phone.board.read(|flash| {
            let user = flash.settings.get(user)?.to_owned();
            Some((user, flash.settings.get(password).unwrap_or_default().to_owned()))
        })
    };
    inside.or_else(stored)
}

fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Requests one file: first without credentials, then with them if the server requests Basic. Digest is not supported.
async fn ask(phone: &SnomPhone, report: &mut SnomBootReport, url: &str) -> Ending {
    let Ok(mut url) = Url::parse(url) else { return Ending::Failed };
    let credentials = credentials(phone, &mut url);
    let file = file_name(url.as_str());
    let agent = phone.model.user_agent(phone.mac);
    let mut headers: Vec<(&str, String)> = agent.into_iter().map(|agent| ("User-Agent", agent)).collect();
    for _ in 0..2 {
        let lent: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = fetch::get(url.as_str(), &lent).await;
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        report.requests.push(FileFetch { file: file.clone(), status });
        let Ok(answer) = answer else { return Ending::Failed };
        match status {
            200 => {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                report.files.push((file, text.clone()));
                return Ending::Found(text);
            }
            401 if headers.iter().all(|(name, _)| *name != "Authorization") => {
                let basic = answer.header("www-authenticate").to_lowercase().starts_with("basic");
                let Some((user, password)) = credentials.as_ref().filter(|_| basic) else { return Ending::NotThere };
                let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
                headers.push(("Authorization", format!("Basic {pair}")));
            }
            500.. => return Ending::Failed,
            _ => return Ending::NotThere,
        }
    }
    Ending::NotThere
}

/// Registers every enabled account exactly as the file specifies it.
async fn register(phone: &SnomPhone, report: &mut SnomBootReport) {
    let found = phone.board.read(|flash| accounts(&flash.settings, phone.model.kind, phone.model.accounts));
    for account in found {
        let outcome = register_account(phone, &account).await;
        report.registrations.push(AccountRegistration { account, outcome });
    }
    report.registered = !report.registrations.is_empty() && report.registrations.iter().all(|one| one.outcome.is_ok());
}

async fn register_account(phone: &SnomPhone, account: &SnomAccount) -> Result<(), String> {
    if phone.model.kind != SnomKind::Desk && account.handset.is_none() {
        return Err("no handset uses the account".to_owned());
    }
    let url = phone.network.read(|names| names.get(&account.target).cloned());
    let url = url.ok_or_else(|| format!("'{}' cannot be resolved", account.target))?;
    let request = json!({
        "username": account.user_name, "authname": account.auth_name, "password": account.password,
        "transport": account.transport, "domain": account.server,
    });
    let body = request.to_string().into_bytes();
    let answer = fetch::post(&url, &[("Content-Type", "application/json")], body).await?;
    let answer: RegisterAnswer = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    if answer.ok { Ok(()) } else { Err(answer.reason) }
}
