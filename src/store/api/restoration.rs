//! The origin of a restored database.

use jiff::Timestamp;

/// The origin of a restored database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restoration {
    /// When it was restored.
    pub at: Timestamp,
    /// When the backup was made.
    pub made: Timestamp,
    /// When an administrator confirmed that no other gateway serves these phones.
    pub taken_over: Option<Timestamp>,
}

impl Restoration {
    /// Why the gateway is passive and what to do about it; `None` after the confirmation.
    #[must_use]
    pub fn passive_sentence(&self) -> Option<String> {
        self.taken_over.is_none().then(|| {
            format!(
                "This gateway is passive since it was restored at {:.0} from a backup of {:.0}, so that two gateways never \
                 serve the same phones: stop the other one for good, then start this one with `gangway serve --take-over`.",
                self.at, self.made
            )
        })
    }
}
