//! Loads the configuration layers and checks the result. Every key is read separately, so that all errors are reported
//! at once, each with its location.

mod check;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, fs, path::Path};

use config::{File, FileFormat};
use gangway_base::secret::Secret;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    CacheConfig, Config, ConfigError, ConfigErrors, DataConfig, HttpConfig, HttpsConfig, InstanceConfig, LogConfig,
    NetConfig, OpsConfig, PnpConfig, VendorsConfig,
};

/// Prefix and separator of environment variables: `GANGWAY__SECTION__KEY`, `GANGWAY__INSTANCES__0__KEY`.
const PREFIX: &str = "GANGWAY__";
const SEPARATOR: &str = "__";
/// The section that is a list of tables.
const INSTANCES: &str = "instances";

impl Config {
    /// Loads the defaults, the file (if given) and the environment of the process, and checks the result.
    ///
    /// # Errors
    /// All errors of the configuration at once.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigErrors> {
        let variables: Vec<(String, String)> = std::env::vars().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        Self::load_with(path, &variables)
    }

    /// Like [`Config::load`], but with the given environment variables.
    ///
    /// # Errors
    /// All errors of the configuration at once.
    pub fn load_with(path: Option<&Path>, variables: &[(String, String)]) -> Result<Self, ConfigErrors> {
        let mut layers = Layers::default();
        if let Some(path) = path {
            layers.read_file(path)?;
        }
        // Sort by instance index, independent of the order of the environment.
        let number = |name: &str| name.split(SEPARATOR).nth(2).and_then(|index| index.parse::<usize>().ok());
        let mut variables = variables.to_vec();
        variables.sort_by_key(|(name, _)| (number(name), name.clone()));
        for (name, value) in &variables {
            layers.read_variable(name, value);
        }
        layers.finish()
    }
}

macro_rules! sections {
    ($($section:ident: $kind:ty,)+) => {
        /// Checks the keys of a section, or of one instance, on their own.
        fn read_alone(section: &str, keys: &Table) -> Result<(), String> {
            match section {
                $(stringify!($section) => read::<$kind>(keys).map(drop),)+
                INSTANCES => read::<InstanceConfig>(keys).map(drop),
                _ => Err(format!("unknown section '{section}': there are {}, {INSTANCES}", SECTIONS.join(", "))),
            }
        }

        /// All sections except the instances.
        const SECTIONS: &[&str] = &[$(stringify!($section)),+];

        /// Deserializes the configuration after all invalid keys were removed.
        fn read_all(sections: &HashMap<String, Table>, instances: &[Table]) -> Result<Config, String> {
            let none = Table::new();
            Ok(Config {
                $($section: read(sections.get(stringify!($section)).unwrap_or(&none))?,)+
                instances: instances.iter().map(read).collect::<Result<_, _>>()?,
            })
        }
    };
}

sections! {
    http: HttpConfig,
    https: HttpsConfig,
    ops: OpsConfig,
    data: DataConfig,
    log: LogConfig,
    net: NetConfig,
    cache: CacheConfig,
    vendors: VendorsConfig,
    pnp: PnpConfig,
}

/// Deserializes a table. Strings are converted to numbers and booleans as the key requires, because environment
/// variables are always strings.
fn read<T: DeserializeOwned>(keys: &Table) -> Result<T, String> {
    let text = toml::to_string(keys).map_err(|error| error.to_string())?;
    let source = File::from_str(&text, FileFormat::Toml);
    let read = config::Config::builder().add_source(source).build().and_then(config::Config::try_deserialize);
    read.map_err(|error| match error {
        // The source is generated TOML text of a single key, so its position is of no use in the message.
        config::ConfigError::At { error, .. } => error.to_string(),
        error => error.to_string(),
    })
}

/// The valid keys of all layers, and the errors.
#[derive(Default)]
struct Layers {
    file: Option<String>,
    sections: HashMap<String, Table>,
    instances: Vec<Table>,
    /// The environment variable that set a key.
    variables: HashMap<String, String>,
    errors: Vec<ConfigError>,
}

impl Layers {
    fn read_file(&mut self, path: &Path) -> Result<(), ConfigErrors> {
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::File { file: path.to_owned(), reason: error.to_string() })?;
        let wrong = |reason: String| ConfigError::Content { file: path.to_owned(), reason };
        let table: Table = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        self.file = Some(path.display().to_string());
        for (section, value) in table {
            match value {
                Value::Table(keys) if SECTIONS.contains(&section.as_str()) => {
                    let (good, bad) = sorted_out(&section, keys);
                    let wrong_keys = bad.into_iter().map(|(key, reason)| wrong(format!("{section}.{key}: {reason}")));
                    self.errors.extend(wrong_keys);
                    self.sections.insert(section, good);
                }
                Value::Array(list) if section == INSTANCES => {
                    for (index, instance) in list.into_iter().enumerate() {
                        let Value::Table(keys) = instance else {
                            self.errors.push(wrong(format!("{INSTANCES}[{index}]: write it as [[{INSTANCES}]]")));
                            continue;
                        };
                        let (good, bad) = sorted_out(INSTANCES, keys);
                        let wrong_keys =
                            bad.into_iter().map(|(key, reason)| wrong(format!("{INSTANCES}[{index}].{key}: {reason}")));
                        self.errors.extend(wrong_keys);
                        self.instances.push(good);
                    }
                }
                _ if section == INSTANCES => {
                    self.errors.push(wrong(format!("{INSTANCES}: write each as [[{INSTANCES}]]")));
                }
                _ => {
                    let reason = match read_alone(&section, &Table::new()) {
                        Ok(()) => format!("{section}: is a section: write [{section}] and its keys below"),
                        Err(reason) => reason,
                    };
                    self.errors.push(wrong(reason));
                }
            }
        }
        Ok(())
    }

    fn read_variable(&mut self, name: &str, value: &str) {
        let key = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
        let parts: Vec<&str> = key.split(SEPARATOR).collect();
        if let Err(reason) = self.take_variable(&parts, name, value) {
            self.errors.push(ConfigError::Variable { variable: name.to_owned(), reason });
        }
    }

    fn take_variable(&mut self, parts: &[&str], name: &str, value: &str) -> Result<(), String> {
        let alone = |key: &str| Table::from_iter([(key.to_owned(), Value::String(value.to_owned()))]);
        let (path, place) = match *parts {
            [INSTANCES, index, key] => {
                let number: usize = index.parse().map_err(|_not_a_number| {
                    format!(
                        "'{index}' is no number: write {PREFIX}INSTANCES{SEPARATOR}0{SEPARATOR}KEY for the first one"
                    )
                })?;
                read_alone(INSTANCES, &alone(key))?;
                let there = self.instances.len();
                if number == there {
                    self.instances.push(Table::new());
                }
                let place = self.instances.get_mut(number).ok_or_else(|| {
                    format!("there are {there} instances: the next one has the number {there}, not {number}")
                })?;
                (format!("{INSTANCES}[{number}].{key}"), place)
            }
            [section, key] if section != INSTANCES => {
                read_alone(section, &alone(key))?;
                (format!("{section}.{key}"), self.sections.entry(section.to_owned()).or_default())
            }
            _ => {
                return Err(format!(
                    "names no key: write {PREFIX}SECTION{SEPARATOR}KEY or {PREFIX}INSTANCES{SEPARATOR}0{SEPARATOR}KEY"
                ));
            }
        };
        place.extend(parts.last().map(|key| alone(key)).into_iter().flatten());
        self.variables.insert(path, name.to_owned());
        Ok(())
    }

    fn finish(mut self) -> Result<Config, ConfigErrors> {
        let mut config = match read_all(&self.sections, &self.instances) {
            Ok(config) => config,
            Err(reason) => {
                // Every key was validated separately before, so this should not happen. Report the error anyway.
                self.errors.push(ConfigError::Value { place: self.place(""), key: String::new(), reason });
                return Err(ConfigErrors(self.errors));
            }
        };
        let mut found = Vec::new();
        for (index, instance) in config.instances.iter_mut().enumerate() {
            read_passwords(index, instance, &mut |key, reason| found.push((key, reason)));
        }
        config.check(&mut |key, reason| found.push((key, reason)));
        for (key, reason) in found {
            let place = self.place(&key);
            self.errors.push(ConfigError::Value { place, key, reason });
        }
        if self.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(self.errors)) }
    }

    /// The layer that a key comes from, or the file to write it to.
    fn place(&self, key: &str) -> String {
        match (self.variables.get(key), &self.file) {
            (Some(variable), _) => format!("environment {variable}"),
            (None, Some(file)) => file.clone(),
            (None, None) => "the configuration".to_owned(),
        }
    }
}

/// Splits the keys into valid ones and invalid ones with their errors.
fn sorted_out(section: &str, keys: Table) -> (Table, Vec<(String, String)>) {
    let (mut good, mut bad) = (Table::new(), Vec::new());
    for (key, value) in keys {
        match read_alone(section, &Table::from_iter([(key.clone(), value.clone())])) {
            Ok(()) => drop(good.insert(key, value)),
            Err(reason) => bad.push((key, reason)),
        }
    }
    (good, bad)
}

/// Reads the password files.
fn read_passwords(index: usize, instance: &mut InstanceConfig, wrong: &mut impl FnMut(String, String)) {
    let InstanceConfig { password, password_file, admin_password, admin_password_file, .. } = instance;
    for (name, password, file) in
        [("password", password, password_file), ("admin_password", admin_password, admin_password_file)]
    {
        if file.as_os_str().is_empty() {
            continue;
        }
        let key = format!("{INSTANCES}[{index}].{name}_file");
        if !password.is_empty() {
            wrong(key, format!("{name} and {name}_file are both set: keep one"));
            continue;
        }
        match fs::read_to_string(&*file) {
            Ok(text) => {
                *password = Secret::new(text.lines().next().unwrap_or_default().trim());
                // An empty `password` is rejected anyway, but an empty `admin_password` would silently fall back to
                // `password`.
                if password.is_empty() && name == "admin_password" {
                    wrong(key, format!("the first line of {} is empty: write the password there", file.display()));
                }
            }
            Err(error) => wrong(key, format!("{} cannot be read: {error}", file.display())),
        }
    }
}
