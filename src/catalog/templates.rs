//! Compiles and renders templates. There is a separate engine per vendor and format, because an engine applies one
//! escaper to all values and because a vendor's templates must not see those of other vendors.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde::Serialize;
use tera::Tera;

use super::format::Format;

/// All compiled templates.
#[derive(Debug, Default)]
pub(super) struct Templates {
    engines: HashMap<(String, Format), Tera>,
}

/// Why a template could not be compiled or rendered. Contains the file and line, but no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFault {
    /// Path below `templates/`.
    pub name: String,
    /// Line in that file, if known.
    pub line: Option<usize>,
    /// The error.
    pub reason: String,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "templates/{}", self.name)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl TemplateFault {
    /// Parses Tera's error text: `error: REASON`, below it `--> NAME:LINE:COLUMN`, then a copy of the line.
    fn new(name: &str, error: &tera::Error) -> Self {
        let text = error.to_string();
        let start = text.find("error: ").map_or(0, |at| at + "error: ".len());
        let reason = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default().to_owned();
        let place = text.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
        let place = place.and_then(|place| {
            let mut parts = place.rsplitn(3, ':').skip(1);
            let line = parts.next()?.parse().ok()?;
            Some((parts.next()?.to_owned(), line))
        });
        match place {
            Some((name, line)) => Self { name, line: Some(line), reason },
            None => Self { name: name.to_owned(), line: None, reason },
        }
    }
}

fn key(name: &str, format: Format) -> (String, Format) {
    (name.split('/').next().unwrap_or_default().to_owned(), format)
}

impl Templates {
    fn engine(format: Format) -> Tera {
        let mut tera = Tera::new();
        tera.set_escape_fn(format.escaper());
        // Autoescape all files regardless of their extension: an unescaped value would be an injection hole.
        tera.autoescape_on([""]);
        tera
    }

    /// Compiles a vendor's templates. If this fails, compiles them one by one to find the faulty ones.
    pub fn add(
        &mut self,
        vendor: &str,
        format: Format,
        sources: &BTreeMap<String, String>,
    ) -> Result<(), Vec<TemplateFault>> {
        let mut engine = Self::engine(format);
        let Err(error) = engine.add_raw_templates(sources) else {
            self.engines.insert((vendor.to_owned(), format), engine);
            return Ok(());
        };
        let mut faults: Vec<_> = sources
            .iter()
            .filter_map(|(name, text)| match Self::engine(format).add_raw_template(name, text) {
                Err(error) if matches!(error.kind(), tera::ErrorKind::SyntaxError(_)) => {
                    Some(TemplateFault::new(name, &error))
                }
                _ => None,
            })
            .collect();
        if faults.is_empty() {
            let first = sources.keys().next().cloned().unwrap_or_default();
            faults.push(TemplateFault::new(&first, &error));
        }
        Err(faults)
    }

    /// The top-level variables that a template uses.
    pub fn variables(&self, format: Format, name: &str) -> Option<Vec<String>> {
        let found = self.engines.get(&key(name, format))?.get_template_variables(name).ok()?;
        let mut names: Vec<String> = found.into_iter().map(str::to_owned).collect();
        names.sort();
        Some(names)
    }

    pub fn contains(&self, format: Format, name: &str) -> bool {
        self.engines.get(&key(name, format)).is_some_and(|engine| engine.contains_template(name))
    }

    /// Renders a template.
    pub fn render<T: Serialize>(&self, format: Format, name: &str, values: &T) -> Result<String, TemplateFault> {
        let fault = |error: &tera::Error| TemplateFault::new(name, error);
        let context = tera::Context::from_serialize(values).map_err(|error| fault(&error))?;
        let Some(engine) = self.engines.get(&key(name, format)) else {
            let reason = "its vendor has no templates".to_owned();
            return Err(TemplateFault { name: name.to_owned(), line: None, reason });
        };
        engine.render(name, &context).map_err(|error| fault(&error))
    }
}
