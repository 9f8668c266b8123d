//! Parses the sources of the workspace once, and finds the module of each file and the files it refers to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::visit::Visit;

/// The crates of the workspace and their source folders.
pub const CRATES: &[(&str, &str)] = &[
    ("gangway_base", "crates/base/src"),
    ("gangway_wire", "crates/wire/src"),
    ("gangway_sim", "crates/sim/src"),
    ("gangway", "src"),
];

/// A source file of a library.
pub struct Source {
    /// Path relative to the root of the repository.
    pub path: PathBuf,
    /// The crate, then the modules.
    pub module: Vec<String>,
    /// The source text.
    pub text: String,
    /// The parsed file.
    pub file: syn::File,
}

impl Source {
    /// The path as text.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The first folder or file below `src`; empty for `lib.rs`.
    pub fn room(&self) -> &str {
        self.module.get(1).map_or("", String::as_str)
    }

    /// Whether the whole file is compiled for tests only.
    pub fn is_test(&self) -> bool {
        self.module.iter().skip(1).any(|part| part == "tests" || part.ends_with("_tests"))
    }
}

/// All `.rs` files below a folder, sorted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn module_of(name: &str, root: &Path, path: &Path) -> Vec<String> {
    let inside = path.strip_prefix(root).unwrap().with_extension("");
    let parts = inside.iter().map(|part| part.to_string_lossy().into_owned());
    let parts = parts.filter(|part| part != "mod" && part != "lib");
    std::iter::once(name.to_owned()).chain(parts).collect()
}

/// Parses the files of all libraries.
pub fn sources() -> Vec<Source> {
    let of_crate = |(name, root): &(&str, &str)| {
        let all = files(Path::new(root)).into_iter().filter(|path| !path.ends_with("src/main.rs"));
        all.map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let file = syn::parse_file(&text).unwrap();
            Source { module: module_of(name, Path::new(root), &path), path, text, file }
        })
        .collect::<Vec<_>>()
    };
    CRATES.iter().flat_map(of_crate).collect()
}

/// Collects the paths used in a file, except in test code.
struct Paths<'a> {
    /// The current module: the module of the file, then inline modules.
    module: Vec<String>,
    modules: &'a BTreeMap<Vec<String>, usize>,
    found: BTreeSet<Vec<String>>,
}

impl Paths<'_> {
    /// Resolves a path to absolute modules; `None` if its first segment does not refer to a module of the workspace.
    fn absolute(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut here = self.module.clone();
        let mut rest = segments;
        match rest.first()?.as_str() {
            "crate" => here.truncate(1),
            "self" => {}
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    here.pop();
                    rest = &rest[1..];
                }
                here.extend(rest.iter().cloned());
                return Some(here);
            }
            word if CRATES.iter().any(|(name, _)| *name == word) => return Some(segments.to_vec()),
            word => {
                let mut child = here.clone();
                child.push(word.to_owned());
                return self.modules.contains_key(&child).then(|| {
                    here.extend(segments.iter().cloned());
                    here
                });
            }
        }
        here.extend(rest[1..].iter().cloned());
        Some(here)
    }

    fn take(&mut self, segments: &[String]) {
        if let Some(absolute) = self.absolute(segments) {
            self.found.insert(absolute);
        }
    }

    fn tree(&mut self, prefix: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(prefix, &path.tree);
                prefix.pop();
            }
            syn::UseTree::Name(name) => self.leaf(prefix, &name.ident.to_string()),
            syn::UseTree::Rename(rename) => self.leaf(prefix, &rename.ident.to_string()),
            syn::UseTree::Glob(_) => self.take(prefix),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(prefix, item)),
        }
    }

    fn leaf(&mut self, prefix: &[String], name: &str) {
        let mut whole = prefix.to_vec();
        if name != "self" {
            whole.push(name.to_owned());
        }
        self.take(&whole);
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Meta>().is_ok_and(|meta| meta.path().is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_for_tests(&item.attrs) || item.content.is_none() {
            return;
        }
        self.module.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // Re-exports of child modules are not counted here; the files that use them are.
        if !is_for_tests(&item.attrs) {
            self.tree(&mut Vec::new(), &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.take(&segments);
        }
        syn::visit::visit_path(self, path);
    }
}

/// For each file of `sources`, the files whose modules it uses, except in test code. References to the `mod.rs` of the
/// file's own folder are omitted, because they name only the folder and are not a dependency on its other contents.
pub fn arrows(sources: &[Source]) -> Vec<BTreeSet<usize>> {
    let modules: BTreeMap<Vec<String>, usize> =
        sources.iter().enumerate().map(|(index, source)| (source.module.clone(), index)).collect();
    let of_file = |source: &Source| {
        let mut paths = Paths { module: source.module.clone(), modules: &modules, found: BTreeSet::new() };
        paths.visit_file(&source.file);
        let longest =
            |path: &Vec<String>| (1..=path.len()).rev().find_map(|length| modules.get(&path[..length]).copied());
        let named = paths.found.iter().filter_map(longest);
        named.filter(|index| !source.module.starts_with(&sources[*index].module)).collect()
    };
    sources.iter().map(of_file).collect()
}
