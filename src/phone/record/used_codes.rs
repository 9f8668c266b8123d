//! The provisioning codes of a phone that must not be sent again.

use gangway_base::secret::Secret;

/// The newest codes that Devices has consumed or not answered, or that were not needed because Devices knew the phone.
/// A base has several users and therefore several codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpentCodes(Vec<Secret>);

impl SpentCodes {
    /// Maximum number of remembered codes. A code is valid for at most seven days.
    pub const MOST: usize = 32;

    /// Whether this code is remembered.
    #[must_use]
    pub fn holds(&self, code: &Secret) -> bool {
        self.0.contains(code)
    }

    /// Remembers a code.
    pub fn add(&mut self, code: Secret) {
        self.0.retain(|known| *known != code);
        self.0.push(code);
        let surplus = self.0.len().saturating_sub(Self::MOST);
        self.0.drain(..surplus);
    }

    /// All codes, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

impl FromIterator<Secret> for SpentCodes {
    fn from_iter<I: IntoIterator<Item = Secret>>(codes: I) -> Self {
        let mut all = Self::default();
        codes.into_iter().for_each(|code| all.add(code));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_each_once() {
        let code = |number: usize| Secret::new(number.to_string());
        let mut spent: SpentCodes = (0..40).map(code).collect();
        assert_eq!(spent.iter().count(), SpentCodes::MOST);
        assert!(!spent.holds(&code(7)) && spent.holds(&code(8)));
        spent.add(code(8));
        spent.add(code(40));
        assert!(spent.holds(&code(8)) && !spent.holds(&code(9)));
        assert_eq!(spent.iter().count(), SpentCodes::MOST);
    }
}
