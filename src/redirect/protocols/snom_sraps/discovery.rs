//! Finds the address of a phone's object at the service: from the access key to its company, from there to its phones,
//! and through the pages of the list of settings. The results are cached for the account.

use gangway_base::mac::Mac;
use serde_json::Value;
use url::Url;

use super::{
    Dialect,
    response::{SrapsError, SrapsPage, SrapsResponse},
    session::{SrapsCall, SrapsSession},
};
use crate::{
    net::http::Method,
    redirect::{
        account_cache::{AccountCache, ProtocolContext},
        protocol::CallKind,
        result::RedirectResult,
    },
};

/// Maximum page size of the service.
const PAGE_SIZE: &str = "1000";
/// Limit of pages read from the list of settings; the list had 1179 entries in spring 2026.
const MOST_PAGES: usize = 12;
/// Keys in the account's cache.
const ENDPOINTS: &str = "endpoints";
const SETTING: &str = "setting";

/// The location of the account's phones.
#[derive(Debug, Clone)]
pub(crate) struct DeviceLocation {
    endpoints: Url,
    /// Id of the setting that redirects a phone; empty if it is not needed.
    pub(crate) setting: String,
}

impl DeviceLocation {
    /// The address of a phone's object.
    pub(crate) fn endpoint(&self, mac: Mac) -> Url {
        below(&self.endpoints, &mac.to_string())
    }
}

/// A discovery call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DiscoveryStep {
    /// The access key, which names its company.
    Token,
    /// The company, which names its phones.
    Company,
    /// A page of the list of settings; holds the number of pages read before.
    Settings(usize),
}

/// The next step of the discovery.
pub(crate) enum DiscoveryNext {
    /// The location is known.
    There(DeviceLocation),
    /// This call must be made first.
    Ask(DiscoveryStep, Box<SrapsCall>),
}

pub(crate) struct SrapsDiscovery {
    dialect: Dialect,
    pub(crate) session: SrapsSession,
    memory: AccountCache,
    company: Option<Url>,
    endpoints: Option<Url>,
    setting: Option<String>,
    next_page: Option<(Url, usize)>,
    token_seen: bool,
    /// Some value was taken from the cache and not found in this operation.
    remembered: bool,
}

impl SrapsDiscovery {
    pub(crate) fn new(dialect: Dialect, session: SrapsSession, context: &ProtocolContext) -> Self {
        let memory = context.memory.clone();
        let endpoints = memory.note(ENDPOINTS).and_then(|url| Url::parse(&url).ok());
        let setting = memory.note(SETTING);
        let remembered = endpoints.is_some() || setting.is_some();
        Self {
            dialect,
            session,
            memory,
            company: None,
            endpoints,
            setting,
            next_page: None,
            token_seen: false,
            remembered,
        }
    }

    /// Id of the setting, if known.
    pub(crate) fn setting(&self) -> Option<String> {
        self.setting.clone()
    }

    /// Returns the location, or the call that must be made first. A probe needs nothing but the access key.
    pub(crate) fn next(&mut self, is_probe: bool, needs_setting: bool) -> DiscoveryNext {
        let base = self.session.base();
        let get = |url| Box::new(SrapsCall::new(CallKind::LookUp, Method::Get, url));
        if is_probe && self.token_seen {
            return DiscoveryNext::There(DeviceLocation { endpoints: base.clone(), setting: String::new() });
        }
        let Some(endpoints) = self.endpoints.clone().filter(|_| !is_probe) else {
            return match &self.company {
                Some(company) => DiscoveryNext::Ask(DiscoveryStep::Company, get(company.clone())),
                None => DiscoveryNext::Ask(DiscoveryStep::Token, get(below(&below(base, "tokens"), self.session.id()))),
            };
        };
        match &self.setting {
            Some(setting) => DiscoveryNext::There(DeviceLocation { endpoints, setting: setting.clone() }),
            None if !needs_setting => DiscoveryNext::There(DeviceLocation { endpoints, setting: String::new() }),
            None => {
                let (url, read) = self.next_page.clone().unwrap_or_else(|| {
                    let mut first = below(base, "settings/");
                    first.query_pairs_mut().append_pair("page_size", PAGE_SIZE);
                    (first, 0)
                });
                DiscoveryNext::Ask(DiscoveryStep::Settings(read), Box::new(get(url).large()))
            }
        }
    }

    /// Stores the result of a discovery call.
    pub(crate) fn learn(&mut self, stop: DiscoveryStep, response: SrapsResponse) -> Result<(), RedirectResult> {
        let page = response.map_err(SrapsError::incidental_error)?;
        match stop {
            DiscoveryStep::Token => {
                self.company = Some(self.link(&page.value, "company")?);
                self.token_seen = true;
            }
            DiscoveryStep::Company => {
                let mut endpoints = self.link(&page.value, "endpoints")?;
                if !endpoints.path().ends_with('/') {
                    endpoints.set_path(&format!("{}/", endpoints.path()));
                }
                self.memory.store_note(ENDPOINTS, endpoints.as_str());
                self.endpoints = Some(endpoints);
            }
            DiscoveryStep::Settings(read) => self.search(&page, read)?,
        }
        Ok(())
    }

    /// Clears the cached values; returns false if there were none.
    pub(crate) fn start_again(&mut self) -> bool {
        let remembered = std::mem::take(&mut self.remembered);
        if remembered {
            self.memory.clear_notes();
            (self.company, self.endpoints, self.setting, self.next_page) = (None, None, None, None);
        }
        remembered
    }

    fn link(&self, value: &Value, name: &str) -> Result<Url, RedirectResult> {
        let link = value.get("links").and_then(|links| links.get(name)).and_then(Value::as_str);
        let link = link.ok_or_else(|| RedirectResult::Unknown(format!("an answer without the link '{name}'")))?;
        self.session.own_address(link)
    }

    fn search(&mut self, page: &SrapsPage, read: usize) -> Result<(), RedirectResult> {
        let Dialect { setting, section } = self.dialect;
        let entries = page.value.as_array().ok_or_else(|| RedirectResult::Unknown("no list of settings".to_owned()))?;
        let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let found = entries.iter().find(|entry| {
            text(entry, "param_name").as_deref() == Some(setting)
                && section.is_none_or(|section| text(entry, "section").as_deref() == Some(section))
        });
        if let Some(uuid) = found.and_then(|entry| text(entry, "uuid")).filter(|uuid| !uuid.is_empty()) {
            self.memory.store_note(SETTING, &uuid);
            self.setting = Some(uuid);
            return Ok(());
        }
        let read = read + 1;
        match &page.next {
            Some(next) if read < MOST_PAGES => {
                self.next_page = Some((self.session.own_address(next)?, read));
                Ok(())
            }
            _ => Err(RedirectResult::Unknown(format!(
                "the setting '{setting}' is not in the first {read} pages of its list"
            ))),
        }
    }
}

/// The address of `name` below `base`; a trailing slash of `base` is kept.
fn below(base: &Url, name: &str) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
        segments.extend(name.split('/'));
    }
    url
}
