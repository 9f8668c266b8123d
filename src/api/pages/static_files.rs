//! The files of the admin page: built in, compressed once, and addressed by the id of their build.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    sync::{LazyLock, OnceLock},
};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

#[derive(RustEmbed)]
#[folder = "templates/admin/"]
struct BuiltIn;

/// The page itself, a template with `{{name}}` placeholders.
const INDEX: &str = "index.htm";
/// Files of the first view, which are preloaded with the page instead of one by one as imports are discovered.
const FIRST: &[&str] = &["lit/", "shell/", "transport/", "text/index.js", "views/devices"];

/// One file.
pub struct Asset {
    /// The content of the file.
    pub body: Bytes,
    /// Its media type.
    pub media_type: &'static str,
    gzip: OnceLock<Option<Bytes>>,
}

impl Asset {
    fn new(name: &str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), media_type: media_type(name), gzip: OnceLock::new() }
    }

    /// Returns the compressed file, or `None` if compression gains nothing.
    pub fn gzip(&self) -> Option<&Bytes> {
        self.gzip.get_or_init(|| compressed(&self.body)).as_ref()
    }
}

/// All files of the page.
pub struct Assets {
    build: String,
    files: BTreeMap<String, Asset>,
}

/// The files in this binary.
pub static ASSETS: LazyLock<Assets> = LazyLock::new(Assets::load);

impl Assets {
    fn load() -> Self {
        let files: BTreeMap<String, Asset> = BuiltIn::iter()
            .filter(|name| !name.ends_with(".md"))
            .filter_map(|name| {
                let body = match BuiltIn::get(&name)?.data {
                    Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                    Cow::Owned(bytes) => bytes.into(),
                };
                Some((name.to_string(), Asset::new(&name, body)))
            })
            .collect();
        Self { build: build(&files), files }
    }

    /// Returns the id of the build: 16 hex digits, identical for the same version, files, and texts.
    #[must_use]
    pub fn build(&self) -> &str {
        &self.build
    }

    /// Returns a file by its path below the build.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Asset> {
        self.files.get(path).filter(|_| path != INDEX)
    }

    /// Renders the start page. `assets` is the path from its address to the files, and `icon` to the icon.
    #[must_use]
    pub fn index(&self, assets: &str, icon: &str) -> Asset {
        let template = self.files.get(INDEX).map(|file| String::from_utf8_lossy(&file.body)).unwrap_or_default();
        let (mut styles, mut modules) = (String::new(), String::new());
        for name in self.files.keys() {
            if name.ends_with(".css") {
                let _ = writeln!(styles, r#"<link rel="stylesheet" href="{assets}/{name}">"#);
            } else if name.ends_with(".js") && FIRST.iter().any(|first| name.starts_with(first)) {
                let _ = writeln!(modules, r#"<link rel="modulepreload" href="{assets}/{name}">"#);
            }
        }
        let page = template
            .replace("{{styles}}", styles.trim_end())
            .replace("{{modules}}", modules.trim_end())
            .replace("{{assets}}", assets)
            .replace("{{icon}}", icon);
        Asset::new(INDEX, page)
    }
}

fn build(files: &BTreeMap<String, Asset>) -> String {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    for (name, file) in files {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(file.body.len().to_be_bytes());
        hash.update(&file.body);
    }
    HEXLOWER.encode(&hash.finalize()[..8])
}

fn compressed(body: &[u8]) -> Option<Bytes> {
    let mut writer = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::best());
    writer.write_all(body).ok()?;
    writer.finish().ok().filter(|packed| packed.len() < body.len()).map(Bytes::from)
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("htm") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("css") => "text/css; charset=utf-8",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_page_names_only_files_that_are_there_and_holds_nothing_inline() {
        let page = ASSETS.index("admin/b", "icon.png");
        let text = std::str::from_utf8(&page.body).unwrap();
        let named: Vec<&str> = text.split("admin/b/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() > 10 && named.contains(&"main.js"), "{named:?}");
        for name in named {
            assert!(ASSETS.get(name).is_some(), "{name}");
        }
        assert!(!text.contains("{{") && !text.contains("<style") && !text.contains(" style="), "{text}");
        assert!(!text.contains(" on"), "no handlers inline: {text}");
        assert!(text.match_indices("<script").all(|(at, _)| text[at..].split_once('>').unwrap().0.contains("src=")));
        assert!(ASSETS.get(INDEX).is_none(), "a template is no file to fetch");
    }

    #[test]
    fn compressed_files_are_the_same_files() {
        let mut packed = 0;
        for (name, file) in &ASSETS.files {
            let Some(gzip) = file.gzip() else { continue };
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut plain).unwrap();
            assert!(plain == file.body, "{name}");
            packed += gzip.len();
        }
        assert!(packed > 10_000, "{packed}");
        assert!(packed < 150 * 1024, "all of the page is {packed} bytes compressed");
    }

    #[test]
    fn imports_lead_to_files_that_are_there() {
        let mut seen = 0;
        for (name, file) in ASSETS.files.iter().filter(|(name, _)| name.ends_with(".js")) {
            let text = std::str::from_utf8(&file.body).unwrap();
            let dir: Vec<&str> = name.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect();
            for mark in ["from \"", "from\"", "import(\"", "import \""] {
                let paths = text.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
                // Texts contain keys that end in `from`. Only a path is an import.
                for path in paths.filter(|path| path.starts_with('.')) {
                    let mut place = dir.clone();
                    for part in path.split('/') {
                        match part {
                            "." => {}
                            ".." => assert!(place.pop().is_some(), "{name}: {path}"),
                            part => place.push(part),
                        }
                    }
                    assert!(ASSETS.get(&place.join("/")).is_some(), "{name} imports {path}, which is not there");
                    seen += 1;
                }
            }
        }
        assert!(seen > 10, "{seen}");
    }
}
