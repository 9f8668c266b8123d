//! The sequence: the redirection service while no settings URL is known, the file of the model, the phone's own file,
//! files these name, registration.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use url::Url;

use super::{
    SnomFlash, SnomPhone,
    accounts::{SnomAccount, accounts},
    model::SnomKind,
};
use crate::{fetch, pbx::RegisterAnswer};

/// How often a file may name another settings URL within one check.
const MOVES: usize = 4;
/// Further files one check fetches at most.
const FILES: usize = 16;

/// What one request for a file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnomFetch {
    /// The name as it was asked for.
    pub file: String,
    /// The HTTP status; 0 when there was no answer.
    pub status: u16,
}

/// What became of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnomRegistration {
    /// What the file said.
    pub account: SnomAccount,
    /// What the PBX said; an error is the reason.
    pub outcome: Result<(), String>,
}

/// What the phone did after power on or when its interval came.
#[derive(Debug, Clone, Default)]
pub struct SnomBootReport {
    /// Every request for a file, challenges included.
    pub requests: Vec<SnomFetch>,
    /// The bodies of the files that were answered 200.
    pub files: Vec<(String, String)>,
    /// Files it ignored, with the reason.
    pub ignored: Vec<(String, String)>,
    /// Asked before it knew a settings URL of its own.
    pub redirected: bool,
    /// True when no setting has changed.
    pub unchanged: bool,
    /// Accounts that are on, and what the PBX said.
    pub registrations: Vec<SnomRegistration>,
    /// At least one account is on, and all are registered.
    pub registered: bool,
    /// A transfer failed; the phone keeps its settings and asks again next time.
    pub failed: bool,
}

impl SnomBootReport {
    /// The requests as pairs of file and status.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&str, u16)> {
        self.requests.iter().map(|fetched| (fetched.file.as_str(), fetched.status)).collect()
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
        // What the redirection service said is asked at once; a file that names another URL counts from the next time.
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

/// The files a settings URL stands for, and the place they come from.
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
        // A file without the MAC: that file, then the one of the phone beside it.
        let own = match last.rsplit_once('.') {
            Some((stem, ending)) => format!("{stem}-{mac}.{ending}"),
            None => last.clone(),
        };
        return vec![url.to_owned(), url.replacen(&last, &own, 1)];
    }
    let base = url.trim_end_matches('/');
    phone.model.files(phone.mac).map(|file| format!("{base}/{file}")).to_vec()
}

/// False when a transfer failed.
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

/// `user:password@` of the URL, else what the settings hold.
fn credentials(phone: &SnomPhone, url: &mut Url) -> Option<(String, String)> {
    let inside =
        (!url.username().is_empty()).then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
    // Neither fails for a URL with a host.
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

/// Asks for one file: without credentials first, with them when the server asks for Basic. Digest is not known.
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
        report.requests.push(SnomFetch { file: file.clone(), status });
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

/// Registers every account that is on, exactly as the file says.
async fn register(phone: &SnomPhone, report: &mut SnomBootReport) {
    let found = phone.board.read(|flash| accounts(&flash.settings, phone.model.kind, phone.model.accounts));
    for account in found {
        let outcome = register_account(phone, &account).await;
        report.registrations.push(SnomRegistration { account, outcome });
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
