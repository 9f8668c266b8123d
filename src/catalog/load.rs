//! Loads and validates all vendors.

use std::{path::Path, sync::Arc};

use super::{
    diagnostic::Diagnostic,
    files,
    registry::{Registry, SharedRegistry},
    validate::{self, Loaded},
};

impl Registry {
    /// Loads the built-in vendors and those of `overrides`, a directory with `vendors/<vendor>/` and
    /// `templates/<vendor>/` whose files take precedence over the built-in ones.
    ///
    /// # Errors
    /// All findings at once; nothing is loaded in this case.
    pub fn load(overrides: Option<&Path>) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Vec::new();
        let files = files::read(overrides, &mut findings);
        let Loaded { vendors, recogniser, templates } = validate::load(&files, &mut findings);
        let registry = Self::new(vendors, recogniser, templates);
        if findings.is_empty() {
            validate::prove(&registry, &mut findings);
        }
        if findings.is_empty() { Ok(registry) } else { Err(findings) }
    }

    /// Like [`Self::load`], but returns a shared registry.
    ///
    /// # Errors
    /// As in [`Self::load`].
    pub fn load_shared(overrides: Option<&Path>) -> Result<SharedRegistry, Vec<Diagnostic>> {
        Ok(Arc::new(arc_swap::ArcSwap::from_pointee(Self::load(overrides)?)))
    }
}
