//! While the gateway does not know its public URL, a phone keeps its current one: the file has no URL but is otherwise
//! complete.

use super::{canaries::version, *};

#[test]
fn a_file_without_a_known_url_leaves_out_that_line_alone() {
    let bench = Bench::new();
    let registry = bench.registry.load();
    let unknown = PublicUrls::none("/example.com/gangway");
    let mut looked_at = 0;
    for vendor in registry.vendors() {
        for family in &vendor.manifest.families {
            let model = vendor.manifest.models.iter().map(|model| model.name.as_str()).find(|model| {
                vendor.manifest.family_of(Some(model), None).is_some_and(|found| found.name == family.name)
            });
            for generation in vendor.manifest.generations_of(family) {
                let firmware = version(generation);
                let mac: Mac = "805ec0123456".parse().unwrap();
                let provider = vendor.provider_of(model).map_or(&*vendor.name, |provider| provider.name.as_str());
                let phone = sample_phone(provider, &vendor.name, model, Some(&firmware), mac);
                let recognition = recognised(vendor, model, &firmware, FileKind::Personal);
                let layers = sample_layers();
                for stage in [Stage::Open, Stage::Personal] {
                    let place = format!("{} {model:?} {firmware} {stage:?}", vendor.name);
                    let file = |urls: &PublicUrls| {
                        let request = FileRequest { stage, urls, ..whole(&phone, &recognition, &layers) };
                        bench.renderer.file(&request).unwrap_or_else(|error| panic!("{place}: {error}"))
                    };
                    let text = |file: &Rendered| String::from_utf8(file.body.to_vec()).unwrap();
                    let (known, unknown) = (file(&URLS), file(&unknown));
                    let known = text(&known);
                    let others: Vec<&str> = known.lines().filter(|line| !line.contains("gw.example.com")).collect();
                    assert!(others.len() < known.lines().count(), "{place} names no URL:\n{known}");
                    assert_eq!(text(&unknown).lines().collect::<Vec<_>>(), others, "{place}");
                    let says = |note: &String| note.contains("create the app object gangway-");
                    assert_eq!(
                        unknown.notes.iter().any(says),
                        stage == Stage::Personal,
                        "{place}: {:?}",
                        unknown.notes
                    );
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at > 20, "{looked_at}");
}
