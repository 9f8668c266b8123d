//! The boot sequence: redirection service, `<mac>.boot`, `y000000000000.boot`, common file, `<mac>.cfg`, registration.

use serde_json::json;
use url::Url;

use super::{
    YealinkFlash, YealinkPhone,
    credentials::{Credentials, md5},
    settings::YealinkAccount,
};
use crate::{
    fetch,
    pbx::RegisterAnswer,
    phone_boot::{AccountRegistration, FileFetch, pairs},
};

/// How often a failed transfer is tried before the phone gives up until its next boot.
const TRIES: usize = 3;

/// What the phone did at power-on or at the end of its polling interval.
#[derive(Debug, Clone, Default)]
pub struct YealinkBootReport {
    /// Status of the redirection service's answer, if the service was asked.
    pub redirect_status: Option<u16>,
    /// All requests for files, including challenged ones.
    pub requests: Vec<FileFetch>,
    /// Names and bodies of the files answered with 200.
    pub files: Vec<(String, String)>,
    /// True if nothing has changed since the last check.
    pub unchanged: bool,
    /// Enabled accounts and the answers of the PBX.
    pub registrations: Vec<AccountRegistration<YealinkAccount>>,
    /// True if at least one account is enabled and all enabled accounts are registered.
    pub registered: bool,
    /// True if the transfer failed three times.
    pub given_up: bool,
}

impl YealinkBootReport {
    /// The requests as (file, status) pairs.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&str, u16)> {
        pairs(&self.requests)
    }
}

/// The server that the phone requests files from.
struct Server {
    base: String,
    credentials: Option<Credentials>,
}

/// Result of a file request.
enum Ending {
    Found(String),
    NotThere,
    Failed,
}

pub(super) async fn check(phone: &YealinkPhone, powered_on: bool) -> YealinkBootReport {
    let mut report = YealinkBootReport::default();
    if powered_on && server(phone).is_none() {
        ask_redirection(phone, &mut report).await;
    }
    if server(phone).is_some() && !fetch_files(phone, &mut report).await {
        report.given_up = true;
        phone.board.change(|flash| flash.given_up = true);
    }
    if powered_on || !report.unchanged {
        register(phone, &mut report).await;
    } else {
        let last = phone.board.read(|flash| flash.reports.last().map(|last| last.registered));
        report.registered = last.unwrap_or_default();
    }
    report
}

/// The current server: its URL, and credentials from the URL or the settings.
fn server(phone: &YealinkPhone) -> Option<Server> {
    let old = phone.model.old;
    phone.board.read(|flash: &YealinkFlash| {
        let get = |name: &str| flash.settings.provisioning(name, old).map(str::to_owned);
        let (base, inside) = split_credentials(&get("server.url")?);
        let stored = get("server.username")
            .map(|user| Credentials { user, password: get("server.password").unwrap_or_default() });
        Some(Server { base, credentials: inside.or(stored) })
    })
}

/// Splits `user:password@` off a URL.
fn split_credentials(text: &str) -> (String, Option<Credentials>) {
    let Ok(mut url) = Url::parse(text) else { return (text.to_owned(), None) };
    let plain = |part: &str| percent_decode(part);
    let credentials = (!url.username().is_empty())
        .then(|| Credentials { user: plain(url.username()), password: plain(url.password().unwrap_or_default()) });
    if credentials.is_none() {
        return (text.to_owned(), None);
    }
    // Neither call fails for a URL that had a user name.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    (url.into(), credentials)
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (*first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = tail.get(2..).unwrap_or_default();
            }
            (byte, ..) => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn ask_redirection(phone: &YealinkPhone, report: &mut YealinkBootReport) {
    let Some(rps) = phone.board.read(|flash| flash.rps_url.clone()) else { return };
    let url = format!("{rps}/service.do?method=redirect&mac={}", phone.mac.spelled("-"));
    let agent = phone.model.user_agent(phone.mac);
    let answer = fetch::get(&url, &[("User-Agent", &agent)]).await;
    report.redirect_status = Some(answer.as_ref().map_or(0, |answer| answer.status));
    let Ok(answer) = answer else { return };
    let location = answer.header("location");
    if matches!(answer.status, 301 | 302 | 303 | 307) && !location.is_empty() {
        let (base, credentials) = split_credentials(location);
        let credentials = credentials.map(|own| (own.user, own.password));
        phone.set_server(&base, credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str())));
    }
}

/// Returns false if a transfer failed permanently.
async fn fetch_files(phone: &YealinkPhone, report: &mut YealinkBootReport) -> bool {
    let mac = phone.mac.to_string();
    if !phone.model.old {
        for name in [format!("{mac}.boot"), "y000000000000.boot".to_owned()] {
            match ask(phone, report, &name).await {
                Ending::Found(boot) => return fetch_included(phone, report, &boot).await,
                Ending::NotThere => {}
                Ending::Failed => return false,
            }
        }
    }
    let mut changed = false;
    for name in [phone.model.common_file(), format!("{mac}.cfg")] {
        match ask(phone, report, &name).await {
            Ending::Found(file) => changed |= take(phone, &name, &file),
            Ending::NotThere => {}
            Ending::Failed => return false,
        }
    }
    report.unchanged = !changed;
    true
}

/// Fetches only the files that the boot file includes.
async fn fetch_included(phone: &YealinkPhone, report: &mut YealinkBootReport, boot: &str) -> bool {
    let mut changed = false;
    for line in boot.lines().filter_map(|line| line.trim().strip_prefix("include:config")) {
        let name = line.trim().trim_matches(|c| matches!(c, '"' | '<' | '>')).to_owned();
        match ask(phone, report, &name).await {
            Ending::Found(file) => changed |= take(phone, &name, &file),
            Ending::NotThere => {}
            Ending::Failed => return false,
        }
    }
    report.unchanged = !changed;
    true
}

/// Applies a file unless it is unchanged since the last check.
fn take(phone: &YealinkPhone, name: &str, file: &str) -> bool {
    let hash = md5(file);
    phone.board.change(|flash| {
        if flash.hashes.get(name) == Some(&hash) {
            return false;
        }
        flash.hashes.insert(name.to_owned(), hash);
        flash.settings.apply(file);
        true
    })
}

/// Requests one file: first without credentials, then with them after a challenge. A failed transfer is tried three
/// times.
async fn ask(phone: &YealinkPhone, report: &mut YealinkBootReport, name: &str) -> Ending {
    let Some(Server { base, credentials }) = server(phone) else { return Ending::Failed };
    let url = if name.contains("://") { name.to_owned() } else { format!("{}/{name}", base.trim_end_matches('/')) };
    let agent = phone.model.user_agent(phone.mac);
    let uri = Url::parse(&url).map(|url| url.path().to_owned()).unwrap_or_default();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(phone.board.read(|flash| flash.retry_pause)).await;
        }
        let note = |report: &mut YealinkBootReport, status: u16| {
            report.requests.push(FileFetch { file: name.into(), status });
        };
        let mut answer = fetch::get(&url, &[("User-Agent", &agent)]).await;
        note(report, answer.as_ref().map_or(0, |answer| answer.status));
        // The phone answers a second challenge only if the server calls the first nonce stale.
        for _ in 0..2 {
            let Some(challenge) = challenge(&answer) else { break };
            let Some(header) = credentials.as_ref().and_then(|own| own.answer(&challenge, "GET", &uri)) else { break };
            answer = fetch::get(&url, &[("User-Agent", &agent), ("Authorization", &header)]).await;
            note(report, answer.as_ref().map_or(0, |answer| answer.status));
            if !answer.as_ref().is_ok_and(|answer| answer.header("www-authenticate").contains("stale=true")) {
                break;
            }
        }
        match answer {
            Ok(answer) if answer.status == 200 => {
                let file = String::from_utf8_lossy(&answer.body).into_owned();
                report.files.push((name.into(), file.clone()));
                return Ending::Found(file);
            }
            Ok(answer) if answer.status < 500 => return Ending::NotThere,
            _ => {}
        }
    }
    Ending::Failed
}

fn challenge(answer: &Result<fetch::FetchResponse, String>) -> Option<String> {
    let answer = answer.as_ref().ok().filter(|answer| answer.status == 401)?;
    Some(answer.header("www-authenticate").to_owned())
}

/// Registers every enabled account exactly as the file specifies it.
async fn register(phone: &YealinkPhone, report: &mut YealinkBootReport) {
    let accounts = phone.board.read(|flash| flash.settings.accounts(&phone.model));
    for account in accounts {
        let outcome = register_account(phone, &account).await;
        report.registrations.push(AccountRegistration { account, outcome });
    }
    report.registered = !report.registrations.is_empty() && report.registrations.iter().all(|one| one.outcome.is_ok());
}

async fn register_account(phone: &YealinkPhone, account: &YealinkAccount) -> Result<(), String> {
    let url = phone.network.read(|names| names.get(&account.target).cloned());
    let url = url.ok_or_else(|| format!("'{}' cannot be resolved", account.target))?;
    let request = json!({
        "username": account.user_name, "authname": account.auth_name, "password": account.password,
        "transport": account.transport, "domain": account.server,
        "addr": phone.board.read(|flash| flash.sip_address.clone()).unwrap_or_default(),
    });
    let body = request.to_string().into_bytes();
    let answer = fetch::post(&url, &[("Content-Type", "application/json")], body).await?;
    let answer: RegisterAnswer = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    if answer.ok { Ok(()) } else { Err(answer.reason) }
}
