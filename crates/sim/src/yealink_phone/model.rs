//! The phone models: their User-Agents and common file names.

/// What kind of device a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YealinkKind {
    /// A desk phone.
    Desk,
    /// A DECT base with a server per account. Its settings assign each handset the accounts it receives calls for and
    /// the account it dials out with.
    Base,
    /// The base or manager of a larger DECT system. Accounts take their server from a template, and account N belongs
    /// to handset N.
    System,
}

/// A Yealink model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YealinkModel {
    /// Name without brand.
    pub name: &'static str,
    /// Model name as in the User-Agent.
    pub agent: &'static str,
    /// Firmware of the User-Agent.
    pub firmware: &'static str,
    /// Number in the name of the common file.
    pub file: u16,
    /// Number of accounts.
    pub accounts: usize,
    /// Firmware before V80: no boot files, old parameter names.
    pub old: bool,
    /// Desk phone or base.
    pub kind: YealinkKind,
}

const fn desk(
    name: &'static str,
    agent: &'static str,
    firmware: &'static str,
    file: u16,
    accounts: usize,
) -> YealinkModel {
    YealinkModel { name, agent, firmware, file, accounts, old: false, kind: YealinkKind::Desk }
}

/// T46U, firmware V86.
pub const T46U: YealinkModel = desk("T46U", "Yealink SIP-T46U", "108.86.0.20", 108, 16);
/// T54W, firmware V86.
pub const T54W: YealinkModel = desk("T54W", "Yealink SIP-T54W", "96.86.0.70", 96, 16);
/// T31P, firmware V86.
pub const T31P: YealinkModel = desk("T31P", "Yealink SIP-T31P", "124.86.0.40", 123, 2);
/// T58W, firmware V86.
pub const T58W: YealinkModel = desk("T58W", "Yealink SIP-T58W", "150.86.0.5", 150, 16);
/// T48G with its first firmware: V72, old names, no boot files.
pub const T48G_OLD: YealinkModel = YealinkModel { old: true, ..desk("T48G", "Yealink SIP-T48G", "35.72.0.6", 35, 6) };
/// T28P: V70, brand in lower case.
pub const T28P: YealinkModel = YealinkModel { old: true, ..desk("T28P", "yealink SIP-T28P", "2.70.0.140", 0, 6) };
/// DECT base W70B, firmware V87.
pub const W70B: YealinkModel =
    YealinkModel { kind: YealinkKind::Base, ..desk("W70B", "Yealink W70B", "146.87.0.15", 146, 10) };
/// DECT base W52P with its old firmware V73.
pub const W52P_OLD: YealinkModel =
    YealinkModel { old: true, kind: YealinkKind::Base, ..desk("W52P", "Yealink SIP-W52P", "25.73.0.20", 25, 5) };
/// Manager of a DECT system, W90DM, firmware V85.
pub const W90DM: YealinkModel =
    YealinkModel { kind: YealinkKind::System, ..desk("W90DM", "Yealink W90DM", "130.85.0.15", 130, 250) };

/// All models.
pub const ALL: &[YealinkModel] = &[T46U, T54W, T31P, T58W, T48G_OLD, T28P, W70B, W52P_OLD, W90DM];

impl YealinkModel {
    /// The User-Agent of the phone with this MAC.
    #[must_use]
    pub fn user_agent(&self, mac: gangway_base::mac::Mac) -> String {
        let mac = mac.spelled(":").to_lowercase();
        format!("{} {} {mac}", self.agent, self.firmware)
    }

    /// Name of the common file.
    #[must_use]
    pub fn common_file(&self) -> String {
        format!("y{:012}.cfg", self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_presents_itself_as_phones_do() {
        let mac = "805ec0123456".parse().unwrap();
        assert_eq!(T54W.user_agent(mac), "Yealink SIP-T54W 96.86.0.70 80:5e:c0:12:34:56");
        assert_eq!(T28P.common_file(), "y000000000000.cfg");
        assert!(ALL.iter().all(|model| model.common_file().len() == 17));
    }
}
