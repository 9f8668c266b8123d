//! `check-sync`: notifies a phone that its configuration changed.

use std::net::SocketAddr;

use super::message::{SipMessage, Start};

/// The values that a NOTIFY is built from.
#[derive(Debug, Clone, Copy)]
pub struct CheckSync<'a> {
    /// Address of the phone.
    pub phone: SocketAddr,
    /// Our own address.
    pub own: SocketAddr,
    /// User the phone is registered as. Phones reject requests addressed to an unknown user.
    pub user: &'a str,
    /// Random text for branch, tag and call id.
    pub random: &'a str,
    /// Sequence number, starting at 1.
    pub sequence: u32,
}

/// The NOTIFY, which does not request a restart of the phone.
#[must_use]
pub fn check_sync(params: &CheckSync<'_>) -> SipMessage {
    let CheckSync { phone, own, user, random, sequence } = params;
    // Remove characters that could break out of the URI.
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let headers = [
        ("Via", format!("SIP/2.0/UDP {own};branch=z9hG4bK{random}{sequence};rport")),
        ("Max-Forwards", "70".to_owned()),
        ("From", format!("<sip:gangway@{own}>;tag={random}")),
        ("To", format!("<sip:{user}@{phone}>")),
        ("Call-ID", format!("{random}@gangway")),
        ("CSeq", format!("{sequence} NOTIFY")),
        ("Contact", format!("<sip:gangway@{own}>")),
        ("Event", "check-sync;reboot=false".to_owned()),
        ("Subscription-State", "terminated".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let start = Start::Request { method: "NOTIFY".to_owned(), uri: format!("sip:{user}@{phone}") };
    SipMessage { start, headers, body: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_addressed_to_the_one_phone_and_asks_for_no_restart() {
        let params = CheckSync {
            phone: "10.0.0.7:5060".parse().unwrap(),
            own: "10.0.0.1:40000".parse().unwrap(),
            user: "805ec0aabbcc\r\nX: y",
            random: "r",
            sequence: 1,
        };
        let message = SipMessage::read(&check_sync(&params).write()).unwrap();
        assert_eq!(
            message.start,
            Start::Request { method: "NOTIFY".into(), uri: "sip:805ec0aabbccXy@10.0.0.7:5060".into() }
        );
        assert_eq!(message.header("Event"), Some("check-sync;reboot=false"));
        assert_eq!(message.header("X"), None);
    }
}
