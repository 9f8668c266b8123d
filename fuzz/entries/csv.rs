//! Fuzzes the import of uploaded tables.

use gangway::service::csv::{decode, records, separator, write};

pub fn enter(data: &[u8]) {
    let text = decode(data);
    let separator = separator(&text);
    let Ok(read) = records(&text, separator) else { return };
    let lines = text.chars().filter(|c| matches!(c, '\n' | '\r')).count() + 1;
    for record in &read {
        assert!((1..=lines).contains(&record.line), "line {} of {lines}", record.line);
        let fields: Vec<&str> = record.fields.iter().map(String::as_str).collect();
        // What fills the record is in a field beyond the limit; empty records are not read.
        if fields.iter().all(|field| field.is_empty()) {
            assert!(record.count > fields.len(), "an empty record is read");
            continue;
        }
        let mut written = String::new();
        write(&mut written, &fields);
        let Ok(again) = records(&written, ',') else { panic!("what we write is not read: {written:?}") };
        let [again] = again.as_slice() else { panic!("one record becomes {}: {written:?}", again.len()) };
        let is_formula = |field: &&str| field.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let printed: Vec<String> = fields
            .iter()
            .map(|field| if is_formula(field) { format!("'{field}") } else { (*field).to_owned() })
            .collect();
        assert_eq!(again.fields, printed, "{written:?}");
    }
}
