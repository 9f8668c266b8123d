//! Compares the firmware a phone should run with the one it reports.

use serde::Serialize;

use super::{Defaults, Effective, Layers, Lookup};
use crate::phone::record::Phone;

/// The settings that define the expected version.
const SETTINGS: [&str; 2] = ["firmware_url", "firmware_version"];

/// The firmware state of a phone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FirmwareState {
    /// The version that phones of this kind should report; `None` if no version is set.
    pub wanted: Option<String>,
    /// The version last reported by the phone.
    pub reported: Option<String>,
    /// Whether both versions are equal; `None` if one of them is unknown.
    pub current: Option<bool>,
}

impl FirmwareState {
    /// Compares the version in the settings (`firmware_version`, else the version in the file name of `firmware_url`)
    /// with the version reported by the phone.
    #[must_use]
    pub fn of(settings: &Effective, reported: Option<&str>) -> Self {
        let named = settings.nonempty("firmware_url").and_then(version_in);
        let wanted = settings.nonempty("firmware_version").or(named).map(str::to_owned);
        let current = wanted.as_deref().zip(reported).map(|(wanted, reported)| same(wanted, reported));
        Self { wanted, reported: reported.map(str::to_owned), current }
    }

    /// The same for a phone record.
    #[must_use]
    pub fn of_phone(layers: &Layers, phone: &Phone) -> Self {
        let lookup = Lookup::of(phone, Defaults::Table);
        Self::of(&layers.effective_of(&SETTINGS, &lookup, Some(&phone.device_config)), phone.firmware.as_deref())
    }

    /// The state as a message for users.
    #[must_use]
    pub fn text(&self) -> String {
        match (&self.wanted, &self.reported, self.current) {
            (None, None, _) => "not reported yet".to_owned(),
            (None, Some(reported), _) => reported.clone(),
            (Some(wanted), None, _) => format!("{wanted} wanted, not reported yet"),
            (Some(wanted), Some(_), Some(true)) => format!("{wanted}, as wanted"),
            (Some(wanted), Some(reported), _) => format!("{reported} reported, {wanted} wanted"),
        }
    }
}

/// Compares versions number by number: `05.20.1` equals `5.20.0001`.
fn same(one: &str, other: &str) -> bool {
    let parts = |text: &str| -> Vec<String> {
        let plain = |part: &str| part.trim_start_matches('0').to_ascii_lowercase();
        text.trim().split('.').map(plain).collect()
    };
    parts(one) == parts(other)
}

/// The longest sequence of at least three dot-separated numbers in the last part of a path, e.g.
/// `T46U-108.86.0.90.rom`.
fn version_in(url: &str) -> Option<&str> {
    let path = url.split(['?', '#']).next()?;
    let file = path.rsplit('/').next()?;
    file.split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|run| run.trim_matches('.'))
        .filter(|run| run.split('.').count() >= 3 && run.split('.').all(|part| !part.is_empty()))
        .max_by_key(|run| run.len())
}

#[cfg(test)]
mod tests {
    use gangway_base::secret::Secret;

    use super::*;
    use crate::settings::{Layers, Lookup, SettingRow};

    fn state(values: &[(&str, &str)], reported: Option<&str>) -> FirmwareState {
        let row = |(name, value): &(&str, &str)| SettingRow {
            scope: "instance".parse().unwrap(),
            name: (*name).to_owned(),
            value: Secret::new(*value),
        };
        let layers = Layers::new(values.iter().map(row).collect(), 1);
        FirmwareState::of(&layers.effective(&Lookup::instance(), None), reported)
    }

    #[test]
    fn wanted_and_reported_are_compared() {
        let url = ("firmware_url", "https://fw.example.com/yealink/T46U-108.86.0.90.rom?x=1.2.3");
        for (values, reported, current, expected_text) in [
            (vec![], None, None, "not reported yet"),
            (vec![], Some("108.86.0.90"), None, "108.86.0.90"),
            (vec![url], None, None, "108.86.0.90 wanted, not reported yet"),
            (vec![url], Some("108.86.0.90"), Some(true), "108.86.0.90, as wanted"),
            (vec![url], Some("108.86.0.45"), Some(false), "108.86.0.45 reported, 108.86.0.90 wanted"),
            (vec![url, ("firmware_version", "9.9")], Some("9.9"), Some(true), "9.9, as wanted"),
            (vec![("firmware_url", "https://fw.example.com/1.2.3/latest.rom")], Some("1"), None, "1"),
            (vec![("firmware_version", "05.20.0001")], Some("5.20.1"), Some(true), "05.20.0001, as wanted"),
            (vec![("firmware_version", "650B2")], Some("650b2"), Some(true), "650B2, as wanted"),
        ] {
            let state = state(&values, reported);
            assert_eq!((state.current, state.text().as_str()), (current, expected_text), "{values:?}");
        }
    }

    #[test]
    fn versions_are_found_in_names_of_files() {
        for (url, version) in [
            ("https://x/T54W-96.86.0.70.rom", Some("96.86.0.70")),
            ("https://x/snomD785-10.1.141.13-SIP-r.bin", Some("10.1.141.13")),
            ("https://x/firmware.rom", None),
            ("https://x/2.1/fw-1.2.rom", None),
            ("https://x/", None),
        ] {
            assert_eq!(version_in(url), version, "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(url in ".{0,60}", reported in ".{0,20}") {
            let _ = version_in(&url);
            let _ = state(&[("firmware_url", &url)], Some(&reported)).text();
        }
    }
}
