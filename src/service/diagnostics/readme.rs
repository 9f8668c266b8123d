//! The overview of a bundle: its contents, what was omitted, and how to read it.

use std::fmt::Write;

use super::{
    BundleOptions, Sources,
    sections::{Group, Kept},
};

/// The content of each file, by the end of its name.
const MEANINGS: &[(&str, &str)] = &[
    ("questions.txt", "what whoever helps has to be told: answer there"),
    ("version.json", "program, host, database"),
    ("process.json", "the configuration of the process, from file and environment together; *** is a secret"),
    ("offline-check.txt", "what `gangway check` finds without asking anybody"),
    ("instance.json", "an instance: URLs it has learned, notices and connections of the serving gateway"),
    ("settings.json", "every value somebody has set, with its layer; all others have their defaults"),
    ("phones.json", "the phones: state of every part, model, firmware, last request, users"),
    ("redirect-history.json", "what was said to redirect services and answered, newest first"),
    ("who-did-what.json", "the audit, newest first"),
];

/// Returns the overview. Omissions are listed here and marked where they occur.
pub(super) fn text(
    sources: &Sources<'_>,
    options: &BundleOptions,
    kept: &[Kept],
    (left_out, unread): (&[String], &[String]),
) -> String {
    let mut text = format!(
        "Diagnostics bundle of gangway {} (build {}), made {:.0}\n",
        env!("CARGO_PKG_VERSION"),
        sources.build,
        sources.clock.now()
    );
    // Writing to a String cannot fail.
    let mut line = |sentence: &str| {
        let _ = writeln!(text, "{sentence}");
    };
    for tenant in &sources.tenants {
        line(&format!("Instance {}", tenant.label));
    }
    if let Some(mac) = options.phone {
        line(&format!("Only of the phone {mac}; tables and audit leave the others out"));
    }
    line("");
    line(match options.names {
        true => "Names are as they are (--names): users, MAC addresses, numbers and hosts of the customer can be read.",
        false => {
            "Users, long names, numbers, MAC addresses and hosts of the customer have aliases (user-..., name-..., \
             number-..., phone-..., host-...): the same original has the same one in every bundle of this gateway until its \
             sealing key is changed. IP addresses, categories, names of instances and of tokens are as they are. In logs \
             only names that the gateway knows from its records have one."
        }
    });
    line("Secrets are *** in either case.");
    for remark in sources.remarks.iter().chain(unread) {
        line(remark);
    }
    line("");
    line("Files");
    for part in kept.iter().filter(|part| part.text.is_some() && part.group != Group::Phones) {
        let meaning = MEANINGS.iter().find(|(end, _)| part.name.ends_with(end)).map_or("a log", |(_, meaning)| meaning);
        line(&format!("  {}: {meaning}", part.name));
    }
    for (end, meaning) in [
        ("/timeline.txt", "what happened to a phone, the newest last"),
        ("/present-file.txt", "the configuration file it would get now"),
    ] {
        let count = kept.iter().filter(|part| part.text.is_some() && part.name.ends_with(end)).count();
        line(&format!("  instance-*/phone-*{end}: {meaning} ({count} phones)"));
    }
    line("");
    if left_out.is_empty() {
        line("Nothing is left out.");
    } else {
        line(&format!("Left out, because the bundle may have {} KiB (--limit):", options.limit >> 10));
        for sentence in left_out {
            line(&format!("  {sentence}"));
        }
    }
    text
}
