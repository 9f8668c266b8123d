//! Fuzzes the parsing of requests, with the path in the first line and the User-Agent in the rest, and of SIP
//! datagrams, which any host on the network can send.

use std::sync::OnceLock;

use gangway::{
    catalog::Registry,
    http::routing::{self, Below, RequestTarget},
};
use gangway_wire::sip;

pub fn enter(data: &[u8]) {
    datagram(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (path, agent) = text.split_once('\n').unwrap_or((text, ""));
    let agent = Some(agent).filter(|agent| !agent.is_empty());
    if let RequestTarget::Instance { domain, name, below } = routing::read(path) {
        for part in [&domain, &name] {
            stays(part);
        }
        if let Below::Phone { token, file } = below {
            stays(&file);
            if let Some(token) = &token {
                stays(token);
            }
            recognise(agent, &file);
        }
    }
    recognise(agent, path);
}

/// Checks that a name cannot escape its directory.
fn stays(name: &str) {
    assert!(!name.is_empty() && name != "." && name != "..", "{name:?} is no name");
    assert!(!name.contains(['/', '\\', '\0']), "{name:?} leads elsewhere");
}

fn recognise(agent: Option<&str>, file: &str) {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    let registry = REGISTRY.get_or_init(|| match Registry::load(None) {
        Ok(registry) => registry,
        Err(findings) => panic!("the built-in vendors do not load: {findings:?}"),
    });
    let recognised = registry.recognise(agent, Some(file));
    if let Some(vendor) = &recognised.vendor {
        assert!(registry.vendor(vendor).is_some(), "a vendor nobody knows");
    }
    if let Some(name) = &recognised.name {
        assert!(!name.contains('/'), "a folder in the file name {name:?}");
    }
    assert_eq!(registry.recognise(agent, Some(file)), recognised, "the same request is recognised the same");
}

fn datagram(data: &[u8]) {
    if let Ok(message) = sip::SipMessage::read(data) {
        let _ = sip::profile_subscription(&message);
        let written = message.write();
        match sip::SipMessage::read(&written) {
            Ok(again) => assert_eq!(again.write(), written),
            // Added white space and length made a message of maximum length too long.
            Err(error) => assert_eq!(error, sip::Malformed::Long, "a message of ours is a message"),
        }
    }
}
