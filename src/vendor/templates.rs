//! Compiled templates: one engine per format, because the engine applies one escaper to all values.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use tera::Tera;

use super::cfg_format;

/// A format of files, with its escaper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum EscapeClass {
    /// `key = value` lines below a version line.
    #[serde(rename = "yealink-cfg")]
    YealinkCfg,
}

impl EscapeClass {
    /// Whether the format carries the value to the letter.
    #[must_use]
    pub fn is_exact(self, value: &str) -> bool {
        match self {
            Self::YealinkCfg => cfg_format::is_exact(value),
        }
    }

    /// Tidies and checks what was rendered.
    ///
    /// # Errors
    /// Line and reason.
    pub fn finish(self, text: &str, allowed: Option<&dyn Fn(&str) -> bool>) -> Result<String, cfg_format::Fault> {
        match self {
            Self::YealinkCfg => cfg_format::finish(text, allowed),
        }
    }
}

/// All templates, by format.
#[derive(Debug, Default)]
pub(super) struct Templates {
    engines: HashMap<EscapeClass, Tera>,
}

impl Templates {
    fn engine(class: EscapeClass) -> Tera {
        let mut tera = Tera::new();
        match class {
            EscapeClass::YealinkCfg => tera.set_escape_fn(cfg_format::escape),
        }
        // Every file, whatever its ending: a value that is not escaped is a hole.
        tera.autoescape_on([""]);
        tera
    }

    /// Compiles a vendor's templates. On failure they are tried one by one to say which one it is.
    pub fn add(&mut self, class: EscapeClass, sources: &BTreeMap<String, String>) -> Result<(), Vec<(String, String)>> {
        let engine = self.engines.entry(class).or_insert_with(|| Self::engine(class));
        let Err(error) = engine.add_raw_templates(sources) else { return Ok(()) };
        let mut faults: Vec<_> = sources
            .iter()
            .filter_map(|(name, text)| {
                let mut alone = Self::engine(class);
                match alone.add_raw_template(name, text) {
                    Err(error) if matches!(error.kind(), tera::ErrorKind::SyntaxError(_)) => {
                        Some((name.clone(), error.to_string()))
                    }
                    _ => None,
                }
            })
            .collect();
        if faults.is_empty() {
            let first = sources.keys().next().cloned().unwrap_or_default();
            faults.push((first, error.to_string()));
        }
        Err(faults)
    }

    /// Top-level variables a template needs.
    pub fn variables(&self, class: EscapeClass, name: &str) -> Option<Vec<String>> {
        let found = self.engines.get(&class)?.get_template_variables(name).ok()?;
        let mut names: Vec<String> = found.into_iter().map(str::to_owned).collect();
        names.sort();
        Some(names)
    }

    pub fn contains(&self, class: EscapeClass, name: &str) -> bool {
        self.engines.get(&class).is_some_and(|engine| engine.contains_template(name))
    }

    /// Renders; the message names file and line, never a value.
    pub fn render<T: Serialize>(&self, class: EscapeClass, name: &str, values: &T) -> Result<String, String> {
        let context = tera::Context::from_serialize(values).map_err(|error| error.to_string())?;
        let engine = self.engines.get(&class).ok_or("the format has no templates")?;
        engine.render(name, &context).map_err(|error| error.to_string())
    }
}
