//! Whoever changes something or has a secret shown is written down: who, what, when, from where. The lists of what there
//! is to do are the gateway's own (messages of the page, routes of REST, commands), so that nothing new goes without.

mod commands;
mod page;
mod rest;
mod tables;

use gangway::{phone::instance::InstanceId, store::AuditRow, store::Store};

/// The audit of an instance, read as it grows.
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

    /// What came since the last look, oldest first.
    async fn news(&mut self) -> Vec<AuditRow> {
        let mut rows = self.store.audit(self.instance, None, 500).await.unwrap();
        rows.retain(|row| row.id > self.seen);
        rows.reverse();
        self.seen = rows.last().map_or(self.seen, |row| row.id);
        rows
    }

    /// That what was just done is written down, and by whom.
    async fn assert_has(&mut self, what: &str, deed: &str, (who, way, source): (&str, &str, &str)) {
        let rows = self.news().await;
        let is_it = |row: &&AuditRow| row.deed.contains(deed);
        let row = rows.iter().find(is_it).unwrap_or_else(|| panic!("{what}: no entry of '{deed}': {rows:#?}"));
        assert_eq!((row.who.as_str(), row.way.as_str(), row.source.as_str()), (who, way, source), "{what}: {row:?}");
    }

    /// That looking leaves no trace here; the audit is for what counts.
    async fn assert_nothing(&mut self, what: &str) {
        let rows = self.news().await;
        assert!(rows.is_empty(), "{what} only looks: {rows:#?}");
    }
}
