//! Tests that every public type name is unique.

use std::collections::BTreeMap;

use super::sources::{Source, sources};

/// Messages of different protocols may share a name, because `wire` uses the names of the protocols.
fn is_message(source: &Source) -> bool {
    source.module[0] == "gangway_wire"
}

/// Returns the public types of a file, outside inline modules.
fn public_types(source: &Source) -> Vec<String> {
    let name = |vis: &syn::Visibility, ident: &syn::Ident| match vis {
        syn::Visibility::Inherited => None,
        _ => Some(ident.to_string()),
    };
    let items = source.file.items.iter().filter_map(|item| match item {
        syn::Item::Struct(item) => name(&item.vis, &item.ident),
        syn::Item::Enum(item) => name(&item.vis, &item.ident),
        syn::Item::Trait(item) => name(&item.vis, &item.ident),
        syn::Item::Type(item) => name(&item.vis, &item.ident),
        _ => None,
    });
    items.collect()
}

#[test]
fn no_public_type_name_stands_twice() {
    let mut places: BTreeMap<(bool, String), Vec<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| !source.is_test() && !is_message(source)) {
        let is_sim = source.module[0] == "gangway_sim";
        for name in public_types(source) {
            places.entry((is_sim, name)).or_default().push(source.name());
        }
    }
    let twice: Vec<String> = places
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|((_, name), places)| format!("{name}: {}", places.join(", ")))
        .collect();
    assert!(twice.is_empty(), "{} names:\n{}", twice.len(), twice.join("\n"));
}
