//! Checks an import file line by line before anything is changed.

use std::collections::HashMap;

use gangway_base::{
    characters::{cleaned, unwritable},
    host::{HostNameRules, host},
    mac::Mac,
    secret::Secret,
};

use super::{
    ServiceDependencies, csv,
    error::ServiceError,
    types::{ImportCheck, LineProblem},
};
use crate::{
    base::i18n::Message,
    catalog::{Registry, Vendor},
    phone::{
        facet::{DevicesState, Wanted},
        instance::InstanceId,
        record::Phone,
    },
};

/// Maximum number of lines in a file.
pub const MOST_LINES: usize = csv::MOST_RECORDS - 1;
/// Maximum number of errors listed.
pub const MOST_ERRORS: usize = 500;
/// Maximum length of a field, in characters.
const MOST: usize = 255;
/// The columns a file may have.
const COLUMNS: [&str; 9] = ["mac", "user", "name", "vendor", "password", "hwid", "pbx", "domain", "category"];

/// One phone to be provisioned.
#[derive(Debug, Clone)]
pub struct ImportLine {
    /// Its line in the file.
    pub line: usize,
    /// The phone.
    pub mac: Mac,
    /// The provider.
    pub provider: String,
    /// H.323 name of the user.
    pub user: String,
    /// Long name. Defaults to the user's name.
    pub name: String,
    /// HW-ID. Defaults to the MAC.
    pub hwid: String,
    /// The user's password.
    pub password: Secret,
    /// PBX address.
    pub pbx: String,
    /// PBX domain.
    pub domain: String,
    /// Devices category by id or name.
    pub category: Option<String>,
    /// The line changes nothing.
    pub known: bool,
}

/// An error in a line.
#[derive(Debug, Clone, PartialEq)]
pub struct LineError {
    /// The line, or 0 for the whole file.
    pub line: usize,
    /// The column, if the error is in one.
    pub field: &'static str,
    /// The message.
    pub text: Message,
}

impl LineError {
    fn info(&self) -> LineProblem {
        LineProblem {
            line: u64::try_from(self.line).unwrap_or(u64::MAX),
            field: self.field.to_owned(),
            text: (&self.text).into(),
        }
    }
}

/// A checked file.
#[derive(Debug, Clone, Default)]
pub struct CheckedFile {
    /// The valid lines.
    pub lines: Vec<ImportLine>,
    /// The errors, at most [`MOST_ERRORS`].
    pub errors: Vec<LineError>,
    /// The total number of errors.
    pub wrong: usize,
    /// Unknown columns of the file.
    pub ignored: Vec<String>,
}

impl CheckedFile {
    /// Returns the result of the check. It contains no value of the file.
    #[must_use]
    pub fn summary(&self) -> ImportCheck {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        ImportCheck {
            lines: number(self.lines.len() + self.wrong),
            good: number(self.lines.len()),
            known: number(self.lines.iter().filter(|line| line.known).count()),
            wrong: number(self.wrong),
            errors: self.errors.iter().map(LineError::info).collect(),
            truncated: self.wrong > self.errors.len(),
            ignored: self.ignored.clone(),
        }
    }

    fn wrong(&mut self, line: usize, field: &'static str, text: Message) {
        self.wrong += 1;
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(LineError { line, field, text });
        }
    }
}

/// Checks a whole file.
#[must_use]
pub fn check(deps: &ServiceDependencies, instance: InstanceId, bytes: &[u8]) -> CheckedFile {
    let text = csv::decode(bytes);
    let mut checked = CheckedFile::default();
    let records = match csv::records(&text, csv::separator(&text)) {
        Ok(records) => records,
        Err(csv::OpenQuote(line)) => {
            checked.wrong(line, "", Message::new("import.quote"));
            return checked;
        }
    };
    let Some((head, records)) = records.split_first() else {
        checked.wrong(0, "", Message::new("import.empty"));
        return checked;
    };
    let Some(columns) = columns(&head.fields, &mut checked) else { return checked };
    if records.len() > MOST_LINES {
        checked.wrong(0, "", Message::new("import.too-many-lines").with("most", MOST_LINES));
        return checked;
    }
    let registry = deps.registry.load();
    let context = ImportContext::of(deps, instance, &registry);
    let mut seen: HashMap<Mac, usize> = HashMap::new();
    for record in records {
        let fields = Fields { record, columns: &columns, count: head.count };
        match fields.read(&context, &mut seen) {
            Ok(line) => checked.lines.push(line),
            Err((field, text)) => checked.wrong(record.line, field, text),
        }
    }
    checked
}

/// Maps column names to their positions.
fn columns(head: &[String], checked: &mut CheckedFile) -> Option<HashMap<&'static str, usize>> {
    let mut columns = HashMap::new();
    for (place, name) in head.iter().enumerate() {
        let lower = name.to_lowercase();
        match COLUMNS.iter().find(|known| **known == lower) {
            Some(known) if columns.insert(*known, place).is_some() => {
                checked.wrong(1, known, Message::new("import.column-twice").with("column", *known));
                return None;
            }
            Some(_) => {}
            None if !name.is_empty() => checked.ignored.push(name.chars().take(60).collect()),
            None => {}
        }
    }
    checked.ignored.truncate(50);
    for needed in ["mac", "user"] {
        if !columns.contains_key(needed) {
            let text = Message::new("import.no-column").with("column", needed).with("columns", COLUMNS.join(", "));
            checked.wrong(1, needed, text);
            return None;
        }
    }
    Some(columns)
}

/// The context for checking a line.
struct ImportContext<'a> {
    deps: &'a ServiceDependencies,
    instance: InstanceId,
    registry: &'a Registry,
    /// Address and domain of the PBX, if exactly one is connected.
    pbx: Option<(String, String)>,
}

impl<'a> ImportContext<'a> {
    fn of(deps: &'a ServiceDependencies, instance: InstanceId, registry: &'a Registry) -> Self {
        let mut pbxs: Vec<(String, String)> =
            deps.sessions.of(instance).iter().map(|pbx| (pbx.dns.clone(), pbx.identity.domain.clone())).collect();
        pbxs.sort();
        pbxs.dedup();
        let pbx = if pbxs.len() == 1 { pbxs.pop() } else { None };
        Self { deps, instance, registry, pbx }
    }

    /// Finds the provider by its own or its vendor's name, or else by the vendor of the MAC.
    fn provider(&self, named: &str, mac: Mac) -> Result<(String, String), Message> {
        let found = |vendor: &crate::catalog::Vendor| {
            vendor.providers.first().map(|provider| (provider.name.clone(), vendor.name.to_string()))
        };
        if named.is_empty() {
            let maker = self.registry.recognise(None, Some(&format!("{mac}.cfg"))).vendor;
            let vendor = maker.and_then(|maker| self.registry.vendor(&maker));
            return vendor.and_then(found).ok_or_else(|| Message::new("import.vendor-unknown"));
        }
        let named = named.to_lowercase();
        if let Some((vendor, provider)) = self.registry.provider(&named) {
            return Ok((provider.name.clone(), vendor.name.to_string()));
        }
        self.registry.vendor(&named).and_then(found).ok_or_else(|| {
            let all: Vec<&str> = self
                .registry
                .vendors()
                .flat_map(|vendor| &vendor.providers)
                .map(|provider| provider.name.as_str())
                .collect();
            let provider: String = named.chars().take(60).collect();
            Message::new("import.provider-unknown").with("provider", provider).with("providers", all.join(", "))
        })
    }
}

struct Fields<'a> {
    record: &'a csv::Record,
    columns: &'a HashMap<&'static str, usize>,
    count: usize,
}

type Wrong = (&'static str, Message);

impl Fields<'_> {
    fn get(&self, column: &'static str) -> Result<&str, Wrong> {
        let Some(place) = self.columns.get(column) else { return Ok("") };
        let field = self.record.fields.get(*place).map(String::as_str).unwrap_or_default();
        if field.chars().count() > MOST {
            return Err((column, Message::new("import.too-long").with("column", column).with("most", MOST)));
        }
        // A name is cleaned instead, because it is only displayed and not used for authentication.
        if column != "name" && unwritable(field).is_some() {
            return Err((column, Message::new("import.control").with("column", column)));
        }
        Ok(field)
    }

    /// Checks whether the vendor's files can represent the values that must reach the phone exactly.
    fn carried(line: &ImportLine, vendor: &Vendor) -> Result<(), Wrong> {
        let exact = [
            ("user", line.user.as_str()),
            ("hwid", line.hwid.as_str()),
            ("password", line.password.expose()),
            ("pbx", line.pbx.as_str()),
        ];
        for (column, value) in exact {
            if let Some(cannot) = vendor.cannot_carry(value) {
                let text = Message::new("import.unwritable").with("column", column);
                return Err((column, text.with("vendor", vendor.title.clone()).with("cannot", cannot)));
            }
        }
        host(&line.pbx, HostNameRules::OfPbxs)
            .map(drop)
            .map_err(|error| ("pbx", Message::new("import.pbx").with("sentence", error.to_string())))
    }

    fn needed(&self, column: &'static str) -> Result<&str, Wrong> {
        match self.get(column)? {
            "" => Err((column, Message::new("import.missing").with("column", column))),
            field => Ok(field),
        }
    }

    fn read(&self, context: &ImportContext<'_>, seen: &mut HashMap<Mac, usize>) -> Result<ImportLine, Wrong> {
        let (count, columns) = (self.record.count, self.count);
        if count > columns {
            return Err(("", Message::new("import.fields").with("count", count).with("columns", columns)));
        }
        let typed = self.needed("mac")?;
        let mac: Mac = typed.parse().map_err(|error| ("mac", ServiceError::BadMac(error).message()))?;
        if let Some(line) = seen.insert(mac, self.record.line) {
            return Err(("mac", Message::new("import.twice").with("line", line)));
        }
        let user = self.needed("user")?.to_owned();
        let (provider, vendor) = context.provider(self.get("vendor")?, mac).map_err(|text| ("vendor", text))?;
        let phone = context.deps.store.phones().by_mac(context.instance, mac);
        let phone = phone.filter(|phone| phone.removed_at.is_none() && phone.wanted != Wanted::Removed);
        if let Some(phone) = &phone {
            if phone.vendor != vendor {
                return Err(("vendor", Message::new("import.other-vendor").with("vendor", phone.vendor.clone())));
            }
            if phone.wanted == Wanted::Blocked {
                return Err(("mac", Message::new("import.blocked")));
            }
        }
        let account = phone
            .as_ref()
            .and_then(|phone| phone.accounts.iter().find(|account| account.username.eq_ignore_ascii_case(&user)));
        let own = |field: &str, known: Option<&String>, otherwise: &str| match (field, known) {
            ("", Some(known)) => known.clone(),
            ("", None) => otherwise.to_owned(),
            (field, _) => field.to_owned(),
        };
        let password = match self.get("password")? {
            "" => account.map(|account| account.password.clone()).filter(|password| !password.is_empty()),
            typed => Some(Secret::new(typed)),
        };
        let password = password.ok_or(("password", Message::new("import.password")))?;
        let (pbx, domain) = (self.get("pbx")?, self.get("domain")?);
        // A stored password belongs to the PBX from which it was received.
        if let Some(known) = account
            && self.get("password")?.is_empty()
            && !pbx.is_empty()
            && !pbx.eq_ignore_ascii_case(&known.dns)
        {
            return Err(("password", Message::new("import.password-of-pbx").with("pbx", known.dns.clone())));
        }
        let connected = context.pbx.as_ref();
        let pbx = own(pbx, account.map(|known| &known.dns).or(connected.map(|(dns, _)| dns)), "");
        let domain = own(domain, account.map(|known| &known.domain).or(connected.map(|(_, domain)| domain)), "");
        if pbx.is_empty() || domain.is_empty() {
            return Err(("pbx", Message::new("import.no-pbx")));
        }
        let mut line = ImportLine {
            line: self.record.line,
            mac,
            provider,
            name: own(&cleaned(self.get("name")?), account.map(|known| &known.cn), &user),
            hwid: own(self.get("hwid")?, account.map(|known| &known.hwid), &mac.to_string()),
            user,
            password,
            pbx,
            domain,
            category: Some(self.get("category")?.to_owned()).filter(|category| !category.is_empty()),
            known: false,
        };
        if let Some(vendor) = context.registry.vendor(&vendor) {
            Self::carried(&line, vendor)?;
        }
        line.known = phone.is_some_and(|phone| changes_nothing(&line, &phone));
        Ok(line)
    }
}

/// Whether the phone already matches the line, and has or will get its configuration from Devices.
#[must_use]
pub fn changes_nothing(line: &ImportLine, phone: &Phone) -> bool {
    phone.wanted == Wanted::Active
        && phone.removed_at.is_none()
        && phone.devices.state != DevicesState::NotInDomain
        && phone.accounts.iter().any(|account| {
            account.username.eq_ignore_ascii_case(&line.user)
                && account.cn == line.name
                && account.hwid.eq_ignore_ascii_case(&line.hwid)
                && account.password == line.password
                && account.dns == line.pbx
                && account.domain == line.domain
        })
}
