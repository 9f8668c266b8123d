//! Tests that every change and every revealed secret is recorded in the audit: who, what, when, from where. The lists
//! of actions are the gateway's own (messages of the page, REST routes, commands), so a new action cannot be left
//! untested.

mod commands;
mod page;
mod rest;
mod tables;

use gangway::{phone::instance::InstanceId, store::AuditRow, store::Store};

/// Reads the audit of an instance incrementally.
struct Audit {
    store: Store,
    instance: InstanceId,
    seen: i64,
}

impl Audit {
    async fn new(store: &Store, instance: InstanceId) -> Self {
        let mut audit = Self { store: store.clone(), instance, seen: 0 };
        audit.news().await;
        audit
    }

    /// Returns the entries since the last call, oldest first.
    async fn news(&mut self) -> Vec<AuditRow> {
        let mut rows = self.store.audit_log().entries(self.instance, None, 500).await.unwrap();
        rows.retain(|row| row.id > self.seen);
        rows.reverse();
        self.seen = rows.last().map_or(self.seen, |row| row.id);
        rows
    }

    /// Checks that the last action is recorded with its author.
    async fn assert_has(&mut self, what: &str, deed: &str, (who, way, source): (&str, &str, &str)) {
        let rows = self.news().await;
        let is_it = |row: &&AuditRow| row.deed.contains(deed);
        let row = rows.iter().find(is_it).unwrap_or_else(|| panic!("{what}: no entry of '{deed}': {rows:#?}"));
        assert_eq!((row.who.as_str(), row.way.as_str(), row.source.as_str()), (who, way, source), "{what}: {row:?}");
    }

    /// Checks that reading leaves no audit entry; the audit records only significant actions.
    async fn assert_nothing(&mut self, what: &str) {
        let rows = self.news().await;
        assert!(rows.is_empty(), "{what} only looks: {rows:#?}");
    }
}
