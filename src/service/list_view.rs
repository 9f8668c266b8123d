//! The list of one page: the matching rows in order, updated on changes, and the visible window.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    device_row::DeviceRow,
    list_query::{ListPosition, ListRequest, PhoneCounts, Query, Sort},
    types::PhoneList,
};
use crate::phone::record::PhoneId;

/// Maximum number of rows in a window.
pub const WINDOW: usize = 200;

struct Known {
    row: Arc<DeviceRow>,
    /// Its sort key, if the list contains it.
    key: Option<ListPosition>,
}

/// A list and its window.
pub struct ListView {
    query: Query,
    sort: Sort,
    offset: usize,
    count: usize,
    known: HashMap<PhoneId, Known>,
    order: Vec<ListPosition>,
    counts: PhoneCounts,
    /// The rows that the page has: ids in order.
    visible: Vec<PhoneId>,
}

/// Changes to send to a page.
#[derive(Debug, Default)]
pub struct Delta {
    /// New or changed rows of the window.
    pub rows: Vec<Arc<DeviceRow>>,
    /// Rows that left the window.
    pub gone: Vec<PhoneId>,
    /// The ids of the window in order, if they changed.
    pub window: Option<Vec<PhoneId>>,
    /// The number of matching rows, if it changed.
    pub total: Option<usize>,
    /// Counts, when they changed.
    pub counts: Option<PhoneCounts>,
}

impl Delta {
    /// Whether there are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.gone.is_empty()
            && self.window.is_none()
            && self.total.is_none()
            && self.counts.is_none()
    }
}

impl ListView {
    /// Creates the list of a request.
    #[must_use]
    pub fn of_request(rows: Vec<Arc<DeviceRow>>, request: ListRequest) -> Self {
        Self::new(rows, request.query.into(), request.sort, request.offset, request.count)
    }

    /// Creates a list of these rows.
    #[must_use]
    pub fn new(rows: Vec<Arc<DeviceRow>>, query: Query, sort: Sort, offset: usize, count: usize) -> Self {
        let mut counts = PhoneCounts::default();
        let mut order = Vec::with_capacity(rows.len());
        let mut known = HashMap::with_capacity(rows.len());
        for row in rows {
            counts.add(&row.phone.vendor, row.stage);
            let key = query.matches(&row).then(|| sort.key(&row));
            order.extend(key.clone());
            known.insert(row.phone.id, Known { row, key });
        }
        order.sort_unstable_by(|a, b| sort.compare(a, b));
        let mut view =
            Self { query, sort, offset, count: count.min(WINDOW), known, order, counts, visible: Vec::new() };
        view.visible = view.window();
        view
    }

    fn window(&self) -> Vec<PhoneId> {
        self.order.iter().skip(self.offset).take(self.count).map(|key| key.id).collect()
    }

    /// Returns the rows of the window.
    #[must_use]
    pub fn rows(&self) -> Vec<Arc<DeviceRow>> {
        self.visible.iter().filter_map(|id| self.known.get(id)).map(|known| Arc::clone(&known.row)).collect()
    }

    /// Returns the window as callers show it.
    #[must_use]
    pub fn page(&self) -> PhoneList {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        PhoneList {
            phones: self.rows().iter().map(|row| row.info()).collect(),
            offset: number(self.offset),
            total: number(self.total()),
            all: number(self.counts.all()),
            counts: self.counts.to_map(),
        }
    }

    /// Returns the number of matching rows.
    #[must_use]
    pub fn total(&self) -> usize {
        self.order.len()
    }

    /// Returns the number of phones by vendor and stage.
    #[must_use]
    pub fn counts(&self) -> &PhoneCounts {
        &self.counts
    }

    /// Replaces all rows, after changes were missed.
    pub fn replace(&mut self, rows: Vec<Arc<DeviceRow>>) -> Delta {
        let before = std::mem::replace(self, Self::new(rows, self.query.clone(), self.sort, self.offset, self.count));
        let visible = std::mem::replace(&mut self.visible, before.visible);
        let mut delta = self.turn(visible, |_| true);
        delta.total = Some(self.total());
        delta.counts = Some(self.counts.clone());
        delta
    }

    /// Updates changed rows.
    pub fn apply(&mut self, rows: &[Arc<DeviceRow>]) -> Delta {
        let (total, counts) = (self.total(), self.counts.clone());
        for row in rows {
            self.put(row);
        }
        let changed: HashSet<PhoneId> = rows.iter().map(|row| row.phone.id).collect();
        let window = self.window();
        let mut delta = self.turn(window, |id| changed.contains(&id));
        delta.total = (self.total() != total).then_some(self.total());
        delta.counts = (self.counts != counts).then(|| self.counts.clone());
        delta
    }

    fn put(&mut self, row: &Arc<DeviceRow>) {
        let id = row.phone.id;
        let key = self.query.matches(row).then(|| self.sort.key(row));
        let before = self.known.insert(id, Known { row: Arc::clone(row), key: key.clone() });
        if let Some(before) = &before {
            self.counts.take(&before.row.phone.vendor, before.row.stage);
        }
        self.counts.add(&row.phone.vendor, row.stage);
        let old = before.and_then(|before| before.key);
        if old == key {
            return;
        }
        let sort = self.sort;
        if let Some(old) = old
            && let Ok(place) = self.order.binary_search_by(|key| sort.compare(key, &old))
        {
            self.order.remove(place);
        }
        if let Some(key) = key
            && let Err(place) = self.order.binary_search_by(|known| sort.compare(known, &key))
        {
            self.order.insert(place, key);
        }
    }

    /// Changes the window. Unchanged rows that the page already has are not sent again.
    fn turn(&mut self, window: Vec<PhoneId>, changed: impl Fn(PhoneId) -> bool) -> Delta {
        let had: HashSet<PhoneId> = self.visible.iter().copied().collect();
        let has: HashSet<PhoneId> = window.iter().copied().collect();
        let rows = window
            .iter()
            .filter(|id| !had.contains(id) || changed(**id))
            .filter_map(|id| self.known.get(id))
            .map(|known| Arc::clone(&known.row))
            .collect();
        let gone = self.visible.iter().filter(|id| !has.contains(id)).copied().collect();
        let moved = (self.visible != window).then(|| window.clone());
        self.visible = window;
        Delta { rows, gone, window: moved, total: None, counts: None }
    }
}

#[cfg(test)]
mod tests {
    use gangway_base::mac::Mac;
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        phone::{facet::Wanted, record::Phone},
        service::{
            diagnosis_facts::{DiagnosisInputs, InstanceStatus},
            list_query::ListParams,
        },
        settings::firmware::FirmwareState,
    };

    fn row(number: u8, name: u8, removed: bool) -> Arc<DeviceRow> {
        let mut phone = Phone::sample();
        phone.id = PhoneId(i64::from(number) + 1);
        phone.mac = Mac::new([0x80, 0x5e, 0xc0, 0, 0, number]).unwrap();
        phone.accounts[0].cn = format!("User {}", name % 7);
        if removed {
            (phone.wanted, phone.removed_at) = (Wanted::Removed, Some(Timestamp::UNIX_EPOCH));
        }
        let facts = DiagnosisInputs {
            instance_status: &InstanceStatus::default(),
            request: None,
            known_model: true,
            manual_url: None,
        };
        Arc::new(DeviceRow::new(Arc::new(phone), None, FirmwareState::default(), &facts, Timestamp::UNIX_EPOCH))
    }

    fn list(rows: Vec<Arc<DeviceRow>>, search: &str, descending: bool) -> ListView {
        let params: ListParams = serde_json::from_value(serde_json::json!({ "search": search })).unwrap();
        let sort = serde_json::from_value(serde_json::json!({ "by": "name", "descending": descending })).unwrap();
        ListView::new(rows, params.into(), sort, 2, 5)
    }

    fn ids(view: &ListView) -> Vec<i64> {
        view.rows().iter().map(|row| row.phone.id.0).collect()
    }

    proptest! {
        #[test]
        fn a_list_that_follows_changes_is_the_list_made_anew(
            first in prop::collection::btree_map(0..20_u8, 0..20_u8, 0..15),
            changes in prop::collection::vec(prop::collection::vec((0..20_u8, 0..20_u8, any::<bool>()), 0..6), 0..8),
            descending: bool,
            filtered: bool,
        ) {
            let search = if filtered { "user 3" } else { "" };
            let mut rows: HashMap<PhoneId, Arc<DeviceRow>> =
                first.into_iter().map(|(number, name)| row(number, name, false)).map(|row| (row.phone.id, row)).collect();
            let mut view = list(rows.values().cloned().collect(), search, descending);
            // A page that applies the changes it receives.
            let mut page: Vec<i64> = ids(&view);
            let mut total = view.total();
            for batch in changes {
                let batch: Vec<Arc<DeviceRow>> =
                    batch.into_iter().map(|(number, name, removed)| row(number, name, removed)).collect();
                for row in &batch {
                    rows.insert(row.phone.id, row.clone());
                }
                let delta = view.apply(&batch);
                if let Some(window) = &delta.window {
                    for id in window.iter().filter(|id| !page.contains(&id.0)) {
                        prop_assert!(delta.rows.iter().any(|row| row.phone.id == *id), "a row the page never had");
                    }
                    page = window.iter().map(|id| id.0).collect();
                }
                total = delta.total.unwrap_or(total);
                let anew = list(rows.values().cloned().collect(), search, descending);
                prop_assert_eq!(&page, &ids(&anew));
                prop_assert_eq!(total, anew.total());
                prop_assert_eq!(view.counts(), anew.counts());
            }
        }
    }

    #[test]
    fn a_change_outside_the_window_sends_no_row() {
        let mut view = list((0..20).map(|number| row(number, 0, false)).collect(), "", false);
        assert_eq!(ids(&view), [3, 4, 5, 6, 7]);
        assert!(view.apply(&[row(15, 0, false)]).is_empty());
        let delta = view.apply(&[row(3, 0, false)]);
        assert_eq!((delta.rows.len(), delta.window, delta.total), (1, None, None));
        let delta = view.apply(&[row(3, 0, true)]);
        assert_eq!(delta.gone, [PhoneId(4)]);
        assert_eq!(delta.window.unwrap().last(), Some(&PhoneId(8)));
        assert_eq!(delta.total, Some(19));
        assert!(delta.counts.is_some());
    }
}
