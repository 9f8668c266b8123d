//! Prints phones as tables and texts.

use gangway_base::mac::Mac;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::{command_client::CommandClient, output},
    phone::{
        facet::Wanted,
        facets::{ACCOUNT_FACETS, PHONE_FACETS},
    },
    service::{
        command::{CommandRequest, PhoneReport},
        phone_export::{AccountExport, FacetExport, PhoneExport},
    },
};

/// Prints all phones.
pub(super) async fn list(client: &CommandClient<'_>, removed: bool, as_json: bool) -> anyhow::Result<()> {
    let answer = client.call::<usize>(CommandRequest::ListPhones { removed }).await?;
    if as_json {
        output::json(&Value::Array(answer.rows));
        return Ok(());
    }
    if answer.rows.is_empty() {
        output::note(&format!("No phones in {} yet: provision one in Profile or UsersAdmin.", client.label()));
        return Ok(());
    }
    let mut rows = Vec::with_capacity(answer.rows.len());
    for row in answer.rows {
        rows.push(cells(&serde_json::from_value(row)?));
    }
    let mut head = vec!["MAC", "User", "Model", "Wanted"];
    head.extend(PHONE_FACETS.map(|row| row.title));
    head.extend(ACCOUNT_FACETS.map(|row| row.title));
    output::table(&head, &rows);
    Ok(())
}

fn cells(phone: &PhoneExport) -> Vec<String> {
    let model = phone.model.clone().unwrap_or_else(|| phone.vendor.clone());
    let mut cells = vec![phone.mac.to_string(), users(phone), model, wanted(phone)];
    cells.extend(phone.facets().map(|facet| facet.state.clone()));
    let accounts: Vec<_> = phone.accounts.iter().map(AccountExport::facets).collect();
    cells.extend((0..ACCOUNT_FACETS.len()).map(|place| all(accounts.iter().filter_map(|facets| facets.get(place)))));
    cells
}

fn wanted(phone: &PhoneExport) -> String {
    Wanted::parse(&phone.wanted).map_or_else(|| phone.wanted.clone(), |wanted| wanted.text().to_owned())
}

/// The users' names. Of a base with many users only the first ones.
fn users(phone: &PhoneExport) -> String {
    const SHOWN: usize = 4;
    let names: Vec<&str> = phone.accounts.iter().map(|account| account.user.as_str()).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} +{more}", names.get(..SHOWN).unwrap_or_default().join(",")),
        _ => names.join(","),
    }
}

/// The distinct texts of all accounts; if there are several, each with the number of accounts.
fn all<'f>(facets: impl Iterator<Item = &'f &'f FacetExport>) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for text in facets.map(|facet| facet.state.as_str()) {
        match counts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => counts.push((text, 1)),
        }
    }
    match counts.as_slice() {
        [(text, _)] => (*text).to_owned(),
        several => several.iter().map(|(text, count)| format!("{count} {text}")).collect::<Vec<_>>().join(", "),
    }
}

/// Prints one phone.
pub(super) async fn show(client: &CommandClient<'_>, mac: Mac, as_json: bool) -> anyhow::Result<()> {
    let report: PhoneReport = client.call(CommandRequest::ShowPhone { mac }).await?.result;
    if as_json {
        let mut value = json!(report.phone);
        value["url"] = json!(report.url);
        value["url_problem"] = json!(report.url_problem);
        value["events"] = json!(report.events);
        output::json(&value);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &PhoneReport) {
    let phone = &report.phone;
    let model = phone.model.as_deref().unwrap_or("(model not seen yet)");
    output::line(&format!("{}  {} {model}", phone.mac.spelled(":"), phone.vendor));
    let print = |name: &str, state: &str, since: Timestamp, error: Option<&str>| {
        output::line(&format!("  {name:<16}{state}, since {since:.0}"));
        if let Some(error) = error {
            output::line(&format!("  {:<16}{error}", ""));
        }
    };
    let facet = |name: &str, facet: &FacetExport| print(name, &facet.state, facet.since, facet.error.as_deref());
    output::line(&format!("  {:<16}{}", "Firmware", phone.firmware_state().text()));
    let category = phone.category.as_deref().map(|name| match &phone.devices_domain {
        Some(domain) => format!("{domain}/{name}"),
        None => name.to_owned(),
    });
    let place = category.or_else(|| phone.devices_domain.clone()).unwrap_or_else(|| "not known".to_owned());
    output::line(&format!("  {:<16}{place}", "Devices"));
    if let Some(until) = phone.code_valid_until {
        output::line(&format!("  {:<16}a new code, valid until {until:.0}", ""));
    }
    output::line(&format!("  {:<16}{}", "Comes to", report.url.as_deref().unwrap_or("not known")));
    if let Some(problem) = &report.url_problem {
        output::line(&format!("  {:<16}{problem}", ""));
    }
    print("Wanted", &wanted(phone), phone.created, None);
    for (row, export) in PHONE_FACETS.iter().zip(phone.facets()) {
        facet(row.title, export);
    }
    for account in &phone.accounts {
        output::line(&format!(
            "  line {}: {} ({}) at {}, hardware id {}{}",
            account.line,
            account.name,
            account.user,
            account.pbx,
            account.hwid,
            account.device_name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default()
        ));
        if let Some(orphaned) = &account.orphaned {
            print("  Orphaned", &orphaned.gone, orphaned.since, Some(&orphaned.sentence));
        }
        if let Some(since) = account.withheld_since {
            print("  Withheld", "switched off in the phone's file", since, None);
        }
        for (row, export) in ACCOUNT_FACETS.iter().zip(account.facets()) {
            facet(&format!("  {}", row.title), export);
        }
    }
    if let (Some(at), Some(address), Some(file)) = (phone.last_request, &phone.address, &report.last_file) {
        output::line(&format!("  last request at {at:.0} from {address}: {file}"));
    }
    output::line("");
    for event in report.events.iter().rev() {
        output::line(&format!("  {:.0}  {}", event.at, event.text));
    }
}
