//! Sample records for tests and simulations. A test changes only the fields that it checks.

use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;

use super::{Account, AccountUser, Phone};
use crate::phone::instance::InstanceId;

impl Phone {
    /// A complete record: one account, bootstrap window open, nothing delivered.
    #[must_use]
    pub fn sample() -> Self {
        Self::sample_at(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 20_000))
    }

    /// Same as [`Self::sample`], provisioned at this time.
    #[must_use]
    pub fn sample_at(now: Timestamp) -> Self {
        let mac = Mac::new([0x80, 0x5e, 0xc0, 0x12, 0x34, 0x56]).unwrap_or_else(|_| unreachable!("a unicast address"));
        let mut phone = Self::new(InstanceId(1), mac, "yealink", "yealink", now);
        phone.model = Some("T46U".to_owned());
        phone.provisioning = 1;
        phone.token = Secret::new("abcdefghijklmnopqrstuvwxyz");
        phone.own.password = Secret::new("Own0Password0Sample0");
        phone.window.open(now, 7);
        let mut account = Account::sample(1, "anna.user", now);
        account.hwid = mac.to_string();
        account.cn = "Anna User".to_owned();
        phone.accounts.push(account);
        phone
    }

    /// A DECT base with one account for each of these users, on lines starting at 1.
    #[must_use]
    pub fn sample_base(users: &[&str], now: Timestamp) -> Self {
        let mut phone = Self::sample_at(now);
        phone.provider = "yealink-dect".to_owned();
        phone.model = Some("W70B".to_owned());
        phone.accounts = (1_u16..).zip(users).map(|(line, user)| Account::sample(line, user, now)).collect();
        phone.provisioning = u32::try_from(users.len()).unwrap_or(u32::MAX);
        for account in &mut phone.accounts {
            account.provisioning = u32::from(account.line);
        }
        phone
    }
}

impl Account {
    /// A sample account of this user with the HW-ID `hw-<user>`.
    #[must_use]
    pub fn sample(line: u16, user: &str, now: Timestamp) -> Self {
        let user = AccountUser {
            hwid: format!("hw-{user}"),
            username: user.to_owned(),
            cn: user.to_owned(),
            password: Secret::new("sample-password"),
            domain: "example.com".to_owned(),
            dns: "pbx.example.com".to_owned(),
        };
        Self::new(line, user, now)
    }
}
