//! The device models: their User-Agents and file names.

use gangway_base::mac::Mac;

/// The kind of settings file a device reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnomKind {
    /// A desk phone: identities by `idx`.
    Desk,
    /// An M-series base made by RTX: servers and extensions by `idx`, one handset per extension.
    Rtx,
    /// An M-series base made by VTech: nested modules.
    Vtech,
}

/// A Snom model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnomModel {
    /// Name without brand.
    pub name: &'static str,
    /// Firmware of the User-Agent.
    pub firmware: &'static str,
    /// The text between firmware and MAC in a desk phone's User-Agent.
    pub platform: &'static str,
    /// Number of identities (desk phones) or accounts (bases).
    pub accounts: u32,
    /// The kind of its settings files.
    pub kind: SnomKind,
}

const fn desk(name: &'static str, firmware: &'static str, platform: &'static str, accounts: u32) -> SnomModel {
    SnomModel { name, firmware, platform, accounts, kind: SnomKind::Desk }
}

/// D785, firmware 10.
pub const D785: SnomModel = desk("D785", "10.1.33.33", "2010.12-00004-g9ba52f5", 12);
/// D713. Its platform contains a date in parentheses.
pub const D713: SnomModel = desk("D713", "10.4.5.6", "10.4.5-v10-rc2 (Mar 12 2025 - 10:11:12)", 6);
/// D865, the generation with a separate web page for accounts.
pub const D865: SnomModel = desk("D865", "10.1.175.16", "2010.12-00004-g9ba52f5", 12);
/// D315, the smallest.
pub const D315: SnomModel = desk("D315", "10.1.25.0", "2010.12-00004-g9ba52f5", 4);
/// 710 with firmware 8.
pub const OLD_710: SnomModel = desk("710", "8.7.5.35", "1.1.5-IFX-05.01.12", 4);
/// M900 base.
pub const M900: SnomModel =
    SnomModel { name: "M900", firmware: "05.20.0001", platform: "", accounts: 1000, kind: SnomKind::Rtx };
/// M400 base.
pub const M400: SnomModel =
    SnomModel { name: "M400", firmware: "07.40.0104", platform: "", accounts: 20, kind: SnomKind::Rtx };
/// M100 KLE base.
pub const M100KLE: SnomModel =
    SnomModel { name: "M100KLE", firmware: "1.0.5.2-0", platform: "", accounts: 4, kind: SnomKind::Vtech };

/// All models.
pub const ALL: &[SnomModel] = &[D785, D713, D865, D315, OLD_710, M900, M400, M100KLE];

impl SnomModel {
    /// The User-Agent of the device with this MAC. That of the VTech bases is not published, so they send none here and
    /// can only be recognized by their file names.
    #[must_use]
    pub fn user_agent(&self, mac: Mac) -> Option<String> {
        let Self { name, firmware, platform, .. } = self;
        match self.kind {
            SnomKind::Desk => {
                let mac = mac.spelled("");
                Some(format!("Mozilla/4.0 (compatible; snom{name}-SIP {firmware} {platform} {mac} SXM:0 UXM:0 UXMC:0)"))
            }
            SnomKind::Rtx => Some(format!("Mozilla/4.0 (compatible; Snom {name} {firmware} {mac})")),
            SnomKind::Vtech => None,
        }
    }

    /// The files it requests if its URL names none: the model's file, then its own file.
    #[must_use]
    pub fn files(&self, mac: Mac) -> [String; 2] {
        let (name, mac) = (self.name, mac.spelled(""));
        match self.kind {
            SnomKind::Desk | SnomKind::Rtx => [format!("snom{name}.htm"), format!("snom{name}-{mac}.htm")],
            SnomKind::Vtech => [format!("{name}.cfg"), format!("{name}_{mac}.cfg")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_presents_itself_as_phones_do() {
        let mac: Mac = "000413922D24".parse().unwrap();
        assert_eq!(
            D785.user_agent(mac).unwrap(),
            "Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 2010.12-00004-g9ba52f5 000413922D24 SXM:0 UXM:0 UXMC:0)"
        );
        let base: Mac = "000413b60680".parse().unwrap();
        assert_eq!(M900.user_agent(base).unwrap(), "Mozilla/4.0 (compatible; Snom M900 05.20.0001 000413b60680)");
        assert_eq!(D785.files(mac), ["snomD785.htm", "snomD785-000413922D24.htm"]);
        assert_eq!(M100KLE.files(mac)[1], "M100KLE_000413922D24.cfg");
    }
}
