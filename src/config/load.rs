//! Reading the layers and checking what came out.

use std::{collections::HashSet, fs, path::Path};

use config::{Environment, File, FileFormat};
use url::Url;

use super::{Config, ConfigError, ConfigErrors, InstanceConfig};
use crate::secret::Secret;

/// Prefix and separator of variables: `GANGWAY__SECTION__KEY`.
const PREFIX: &str = "GANGWAY";
const SEPARATOR: &str = "__";

impl Config {
    /// Loads defaults, the file (when given) and the process's environment, and checks the result.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigErrors> {
        let variables: Vec<(String, String)> =
            std::env::vars().filter(|(name, _)| name.starts_with(&format!("{PREFIX}{SEPARATOR}"))).collect();
        Self::load_with(path, &variables)
    }

    /// The same with given variables.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load_with(path: Option<&Path>, variables: &[(String, String)]) -> Result<Self, ConfigErrors> {
        let file = path.map(read_file).transpose()?;
        let mut builder = config::Config::builder();
        if let Some(text) = &file {
            builder = builder.add_source(File::from_str(text, FileFormat::Toml));
        }
        let environment = Environment::with_prefix(PREFIX)
            .prefix_separator(SEPARATOR)
            .separator(SEPARATOR)
            .try_parsing(false)
            .source(Some(variables.iter().cloned().collect()));
        let whole = builder.add_source(environment).build().and_then(config::Config::try_deserialize::<Self>);
        let mut config = match whole {
            Ok(config) => config,
            Err(error) => return Err(blame(path, file.as_deref(), variables, &error)),
        };
        let mut errors = Vec::new();
        for (index, instance) in config.instances.iter_mut().enumerate() {
            read_password(index, instance, &mut errors);
        }
        config.check(&mut errors);
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
    }

    /// What serde cannot see: values that do not work, alone or together.
    fn check(&self, errors: &mut Vec<ConfigError>) {
        let mut wrong = |key: String, reason: String| errors.push(ConfigError::Value { key, reason });
        for (section, listen) in [("http", &self.http.listen), ("https", &self.https.listen), ("ops", &self.ops.listen)]
        {
            for address in listen.iter().filter(|address| !is_address(address)) {
                wrong(
                    format!("{section}.listen"),
                    format!("'{address}' is no address: write host:port, e.g. \"0.0.0.0:8080\" or \"[::]:8080\""),
                );
            }
        }
        if self.http.listen.is_empty() && self.https.listen.is_empty() {
            wrong("http.listen".to_owned(), "neither [http] nor [https] listens anywhere: name an address".to_owned());
        }
        if !self.https.listen.is_empty() {
            let (certificates, keys) = (self.https.certificate.len(), self.https.key.len());
            if certificates == 0 {
                wrong("https.certificate".to_owned(), "is empty: name the PEM file of the certificate".to_owned());
            } else if certificates != keys {
                wrong(
                    "https.key".to_owned(),
                    format!("{certificates} certificates, but {keys} keys: list as many keys, in the same order"),
                );
            }
        }
        if self.net.connects_per_second == 0 {
            wrong("net.connects_per_second".to_owned(), "0 would never connect a phone: write at least 1".to_owned());
        }
        if self.cache.mib == 0 {
            wrong("cache.mib".to_owned(), "0 would render every file anew: write at least 1".to_owned());
        }
        if self.data.dir.as_os_str().is_empty() {
            wrong("data.dir".to_owned(), "is empty: name a directory".to_owned());
        }
        if self.instances.is_empty() {
            wrong(
                "instances".to_owned(),
                "no instance is configured: add [[instances]] with domain, name and password".to_owned(),
            );
        }
        let mut seen = HashSet::new();
        for (index, instance) in self.instances.iter().enumerate() {
            instance.check(index, &mut wrong);
            if !seen.insert(instance.label().to_ascii_lowercase()) {
                wrong(format!("instances[{index}]"), format!("{} is configured twice", instance.label()));
            }
        }
    }

    /// Remarks that keep nobody from serving.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        self.instances
            .iter()
            .filter(|instance| instance.password.expose().chars().count() > 15)
            .map(|instance| {
                format!(
                    "the password of {} is longer than 15 characters: a PBX object cannot hold it",
                    instance.label()
                )
            })
            .collect()
    }
}

impl InstanceConfig {
    fn check(&self, index: usize, wrong: &mut impl FnMut(String, String)) {
        let key = |name: &str| format!("instances[{index}].{name}");
        for (name, value) in [("domain", &self.domain), ("name", &self.name)] {
            if value.is_empty() {
                wrong(key(name), "is missing".to_owned());
            } else if !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
                wrong(key(name), format!("'{value}' stands in URLs: only A-Z a-z 0-9 . - _"));
            }
        }
        if self.password.is_empty() {
            wrong(key("password"), "is empty: set the password of the app objects here or in password_file".to_owned());
        }
        for (name, value) in [("public_url", &self.public_url), ("phone_url", &self.phone_url)] {
            if !value.is_empty() && !is_base_url(value) {
                wrong(key(name), format!("'{value}' is no base URL: write https://host[:port][/path]"));
            }
        }
        if !self.devices_pin.is_empty() && !self.devices_pin.starts_with("sha256:") {
            wrong(key("devices_pin"), "write sha256: and the hash of the certificate's public key".to_owned());
        }
    }
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn is_base_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

fn read_file(path: &Path) -> Result<String, ConfigErrors> {
    fs::read_to_string(path)
        .map_err(|error| ConfigError::File { file: path.to_owned(), reason: error.to_string() }.into())
}

fn read_password(index: usize, instance: &mut InstanceConfig, errors: &mut Vec<ConfigError>) {
    if instance.password_file.as_os_str().is_empty() {
        return;
    }
    let mut wrong =
        |reason: String| errors.push(ConfigError::Value { key: format!("instances[{index}].password_file"), reason });
    if !instance.password.is_empty() {
        wrong("password and password_file are both set: keep one".to_owned());
        return;
    }
    match fs::read_to_string(&instance.password_file) {
        Ok(text) => instance.password = Secret::new(text.lines().next().unwrap_or_default().trim()),
        Err(error) => wrong(format!("{} cannot be read: {error}", instance.password_file.display())),
    }
}

/// Finds out which layer an error comes from: the file alone, or else one of the variables.
fn blame(
    path: Option<&Path>,
    file: Option<&str>,
    variables: &[(String, String)],
    error: &config::ConfigError,
) -> ConfigErrors {
    if let (Some(path), Some(text)) = (path, file)
        && let Err(error) = toml::from_str::<Config>(text)
    {
        let reason = error.to_string().trim_end().to_owned();
        return ConfigError::Content { file: path.to_owned(), reason }.into();
    }
    let alone = |variable: &(String, String)| {
        let source = Environment::with_prefix(PREFIX)
            .prefix_separator(SEPARATOR)
            .separator(SEPARATOR)
            .try_parsing(false)
            .source(Some([variable.clone()].into_iter().collect()));
        config::Config::builder()
            .add_source(source)
            .build()
            .and_then(config::Config::try_deserialize::<Config>)
            .err()
            .map(|error| ConfigError::Variable { variable: variable.0.clone(), reason: error.to_string() })
    };
    let blamed: Vec<ConfigError> = variables.iter().filter_map(alone).collect();
    if blamed.is_empty() {
        let place = path.map_or_else(|| "the configuration".to_owned(), |path| path.display().to_string());
        return ConfigError::Value { key: place, reason: error.to_string() }.into();
    }
    ConfigErrors(blamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "[[instances]]\ndomain = \"example.com\"\nname = \"gangway\"\npassword = \"ip411\"\n";

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("gangway.toml");
        fs::write(&file, text).unwrap();
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::load_with(Some(&file), &variables).map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_smallest_file_takes_every_default() {
        let config = load(SMALLEST, &[]).unwrap();
        assert_eq!(config.http.listen, ["127.0.0.1:8080"]);
        assert_eq!(config.ops.listen, ["127.0.0.1:8081"]);
        assert!(config.https.listen.is_empty());
        assert_eq!((config.net.connects_per_second, config.cache.mib), (50, 64));
        assert_eq!(config.data.dir, Path::new("data"));
        assert_eq!((config.log.level.as_str(), config.log.format), ("info", super::super::LogFormat::Text));
    }

    #[test]
    fn the_environment_beats_the_file() {
        let text = format!("[http]\nlisten = [\"0.0.0.0:1\"]\n[net]\nconnects_per_second = 7\n{SMALLEST}");
        let config = load(
            &text,
            &[
                ("GANGWAY__HTTP__LISTEN", "127.0.0.1:2, 127.0.0.1:3"),
                ("GANGWAY__NET__TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8"),
                ("GANGWAY__LOG__FORMAT", "json"),
                ("GANGWAY__HTTPS__LISTEN", ""),
            ],
        )
        .unwrap();
        assert_eq!(config.http.listen, ["127.0.0.1:2", "127.0.0.1:3"]);
        assert_eq!(config.net.trusted_proxies.len(), 2);
        assert_eq!(config.net.connects_per_second, 7);
        assert_eq!(config.log.format, super::super::LogFormat::Json);
        assert!(config.https.listen.is_empty());
        let config = load(&text, &[("GANGWAY__NET__CONNECTS_PER_SECOND", "9")]).unwrap();
        assert_eq!(config.net.connects_per_second, 9);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, variables, parts) in [
            ("[htpp]\nlisten = \"x\"\n", vec![], vec!["gangway.toml", "htpp"]),
            ("[http]\nlisten = \"x\"\ncolour = 1\n", vec![], vec!["gangway.toml", "colour"]),
            ("[http\n", vec![], vec!["gangway.toml", "line 1"]),
            ("[http]\nlisten = \"nowhere\"\n", vec![], vec!["http.listen", "'nowhere'", "host:port"]),
            ("[[instances]]\ndomain = \"a\"\nname = \"b\"\n", vec![], vec!["instances[0].password", "empty"]),
            (
                "[[instances]]\ndomain = \"a/b\"\nname = \"b\"\npassword=\"x\"\n",
                vec![],
                vec!["instances[0].domain", "'a/b'"],
            ),
            (
                "[[instances]]\ndomain = \"a\"\nname = \"b\"\npassword=\"x\"\npublic_url=\"gw.example.com\"\n",
                vec![],
                vec!["instances[0].public_url", "https://host"],
            ),
            (
                "[[instances]]\ndomain = \"a\"\nname = \"b\"\npassword_file=\"/nonexistent\"\n",
                vec![],
                vec!["password_file", "/nonexistent"],
            ),
            ("", vec![], vec!["no instance is configured"]),
            (
                "[https]\nlisten = \"127.0.0.1:1\"\ncertificate = [\"a.pem\", \"b.pem\"]\nkey = \"a.key\"\n",
                vec![],
                vec!["https.key", "2 certificates", "1 keys"],
            ),
            ("[net]\ntrusted_proxies = [\"10.0.0.0/99\"]\n", vec![], vec!["gangway.toml", "10.0.0.0/99"]),
            ("", vec![("GANGWAY__HTTP__COLOUR", "red")], vec!["GANGWAY__HTTP__COLOUR", "colour"]),
            ("", vec![("GANGWAY__NET__CONNECTS_PER_SECOND", "many")], vec!["GANGWAY__NET__CONNECTS_PER_SECOND"]),
        ] {
            let error = load(text, &variables).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "'{part}' is missing in: {error}");
            }
        }
        let twice = load(&format!("{SMALLEST}{}", SMALLEST.replace("example", "EXAMPLE")), &[]).unwrap_err();
        assert!(twice.contains("configured twice"), "{twice}");
        let missing = Config::load_with(Some(Path::new("/nonexistent/gangway.toml")), &[]).unwrap_err().to_string();
        assert!(missing.contains("/nonexistent/gangway.toml"), "{missing}");
    }

    #[test]
    fn a_password_may_come_from_a_file_and_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("password");
        fs::write(&secret, "hunter2\n").unwrap();
        let text = format!("[[instances]]\ndomain = \"a\"\nname = \"b\"\npassword_file = {secret:?}\n");
        let config = load(&text, &[]).unwrap();
        assert!(config.instances[0].password.matches("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_password_no_pbx_can_hold_is_remarked() {
        let config = load(&SMALLEST.replace("ip411", "0123456789abcdef"), &[]).unwrap();
        assert!(config.remarks()[0].contains("15 characters"));
    }
}
