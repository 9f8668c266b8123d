//! Compares rendered files with golden files: one per distinct output, with the list of its models.

use std::{collections::BTreeMap, fs, path::PathBuf};

use gangway::render::Stage;

use crate::sample::{REGISTRY, file, layers, phone};

/// Checks that every model of the manifest is on exactly one list and gets exactly the file of that list.
pub fn check(vendor: &str, ending: &str) {
    let dir: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures", "golden", vendor].iter().collect();
    let registry = REGISTRY.load();
    let mut files: Vec<(String, Vec<String>)> = Vec::new();
    for model in &registry.vendor(vendor).unwrap().manifest.models {
        let text = file(&phone(vendor, &model.name), &layers(true, &[]), Stage::Personal).unwrap();
        match files.iter_mut().find(|(known, _)| *known == text) {
            Some((_, models)) => models.push(model.name.clone()),
            None => files.push((text, vec![model.name.clone()])),
        }
    }
    let lists: BTreeMap<String, &Vec<String>> =
        files.iter().map(|(_, models)| (format!("{}.{ending}", models[0]), models)).collect();
    let listed = serde_json::to_string_pretty(&lists).unwrap() + "\n";
    if std::env::var_os("GANGWAY_UPDATE_FIXTURES").is_some() {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("models.json"), &listed).unwrap();
        for (text, models) in &files {
            fs::write(dir.join(format!("{}.{ending}", models[0])), text).unwrap();
        }
    }
    let kept = fs::read_to_string(dir.join("models.json")).unwrap_or_default();
    assert!(kept == listed, "{vendor}: models.json differs; GANGWAY_UPDATE_FIXTURES=1 writes it anew:\n{listed}");
    for (text, models) in &files {
        let kept = fs::read_to_string(dir.join(format!("{}.{ending}", models[0]))).unwrap_or_default();
        assert!(kept == *text, "{models:?} get another file; GANGWAY_UPDATE_FIXTURES=1 writes it anew:\n{text}");
    }
}
