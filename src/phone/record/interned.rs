//! Shares equal values between records.

use std::sync::Arc;

/// A value that is equal in many records and therefore held once. Dereferences to the value. A change copies it first.
#[derive(Debug, Clone, Default)]
pub struct Interned<T>(Arc<T>);

impl<T> std::ops::Deref for Interned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> std::ops::DerefMut for Interned<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T> From<T> for Interned<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: PartialEq> PartialEq for Interned<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl<T: PartialEq> PartialEq<T> for Interned<T> {
    fn eq(&self, other: &T) -> bool {
        *self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_shared_value_is_copied_by_who_changes_it() {
        let first = Interned::from(BTreeMap::from([(1, "one")]));
        let mut second = first.clone();
        assert!(Arc::ptr_eq(&first.0, &second.0));
        second.insert(2, "two");
        assert_eq!((first.len(), second.len()), (1, 2));
        assert_eq!(first, BTreeMap::from([(1, "one")]));
    }
}
