//! The SIP accounts of a device, exactly as its settings specify them.

use super::{model::SnomKind, settings::SnomSettings};

/// One enabled account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnomAccount {
    /// Identity of a desk phone or extension of a base, from 1.
    pub index: u32,
    /// Display name.
    pub display_name: String,
    /// User part of the address of record.
    pub user_name: String,
    /// User name for digest authentication.
    pub auth_name: String,
    /// Password.
    pub password: String,
    /// The registrar's name.
    pub server: String,
    /// Where requests are sent: the outbound proxy if there is one.
    pub target: String,
    /// Port of the target; 0 if the file has none.
    pub port: u16,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// The handset of a base; `None` if no handset uses the account.
    pub handset: Option<String>,
}

/// Parses `host`, `host:port` and `host:port;transport=tls`.
fn outbound(text: &str) -> (String, u16, String) {
    let mut parts = text.split(';');
    let place = parts.next().unwrap_or_default();
    let transport = parts.find_map(|part| part.trim().strip_prefix("transport=")).unwrap_or("udp");
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.chars().all(|c| c.is_ascii_digit()) => (host, port),
        _ => (place, ""),
    };
    (host.to_owned(), port.parse().unwrap_or_default(), transport.to_owned())
}

/// Returns the enabled accounts, at most `count`.
pub(super) fn accounts(settings: &SnomSettings, kind: SnomKind, count: u32) -> Vec<SnomAccount> {
    let read = match kind {
        SnomKind::Desk => identity,
        SnomKind::Rtx => extension,
        SnomKind::Vtech => module,
    };
    (1..=count).filter_map(|index| read(settings, index)).collect()
}

fn identity(settings: &SnomSettings, index: u32) -> Option<SnomAccount> {
    let get = |name: &str| settings.get(&format!("{name}[{index}]"));
    let text = |name: &str| get(name).unwrap_or_default().to_owned();
    let server = get("user_host").filter(|_| get("user_active") == Some("on"))?;
    let (host, port, transport) = outbound(get("user_outbound").unwrap_or(server));
    Some(SnomAccount {
        index,
        display_name: text("user_realname"),
        user_name: text("user_name"),
        // Without a separate digest name, the account name is used.
        auth_name: get("user_pname").or(get("user_name")).unwrap_or_default().to_owned(),
        password: text("user_pass"),
        server: outbound(server).0,
        target: host,
        port,
        transport,
        handset: None,
    })
}

fn extension(settings: &SnomSettings, index: u32) -> Option<SnomAccount> {
    let get = |name: &str| settings.get(&format!("{name}[{index}]"));
    let text = |name: &str| get(name).unwrap_or_default().to_owned();
    get("user_active").filter(|active| *active == "on")?;
    let server = get("subscr_sip_ua_data_server_id").unwrap_or("1");
    let of_server = |name: &str| settings.get(&format!("{name}[{server}]"));
    let registrar = of_server("user_host")?;
    let (host, port, _) = outbound(of_server("user_outbound").unwrap_or(registrar));
    Some(SnomAccount {
        index,
        display_name: text("user_realname"),
        user_name: text("user_name"),
        auth_name: text("user_pname"),
        password: text("user_pass"),
        server: outbound(registrar).0,
        target: host,
        port,
        transport: of_server("srv_sip_transport").unwrap_or("udp").to_owned(),
        handset: get("subscr_sip_hs_idx").map(str::to_owned),
    })
}

fn module(settings: &SnomSettings, index: u32) -> Option<SnomAccount> {
    let get = |name: &str| settings.get(&format!("sip_account/{index}/{name}"));
    let text = |name: &str| get(name).unwrap_or_default().to_owned();
    get("sip_account_enable").filter(|enabled| *enabled == "1")?;
    let server = get("primary_registration_server_address")?;
    let proxy = get("primary_outbound_proxy_server_address");
    let port = match proxy {
        Some(_) => get("primary_outbound_proxy_server_port"),
        None => get("primary_registration_server_port"),
    };
    Some(SnomAccount {
        index,
        display_name: text("display_name"),
        user_name: text("user_id"),
        auth_name: text("authentication_name"),
        password: text("authentication_access_password"),
        server: server.to_owned(),
        target: proxy.unwrap_or(server).to_owned(),
        port: port.and_then(|port| port.parse().ok()).unwrap_or_default(),
        transport: get("transport_mode").unwrap_or("udp").to_owned(),
        // Handsets use the accounts assigned to them. Each handset is assigned all accounts unless a file restricts
        // them.
        handset: Some("1".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_account_registers_follows_from_the_outbound_proxy() {
        for (text, expected) in [
            ("pbx.example.com:5061;transport=tls", ("pbx.example.com", 5061, "tls")),
            ("pbx.example.com", ("pbx.example.com", 0, "udp")),
            ("[2001:db8::1]:5060;transport=tcp", ("[2001:db8::1]", 5060, "tcp")),
            ("[2001:db8::1]", ("[2001:db8::1]", 0, "udp")),
        ] {
            let (host, port, transport) = outbound(text);
            assert_eq!((host.as_str(), port, transport.as_str()), expected, "{text}");
        }
    }

    #[test]
    fn an_extension_takes_its_server() {
        let mut kept = SnomSettings::default();
        for (name, value) in [
            ("user_host[2]", "pbx.example.com"),
            ("srv_sip_transport[2]", "tls"),
            ("user_active[1]", "on"),
            ("user_name[1]", "41"),
            ("subscr_sip_ua_data_server_id[1]", "2"),
            ("subscr_sip_hs_idx[1]", "1"),
            ("user_active[2]", "on"),
        ] {
            kept.set(name, value);
        }
        let found = accounts(&kept, SnomKind::Rtx, 20);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].target.as_str(), found[0].transport.as_str()), ("pbx.example.com", "tls"));
        assert_eq!(found[0].handset.as_deref(), Some("1"));
    }
}
