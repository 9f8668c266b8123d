//! Reads and writes CSV as spreadsheets do.

use csv_core::{ReadFieldResult, ReaderBuilder};

/// Maximum number of records in a file. A longer file yields one record more, so that the caller notices. Without the
/// limit, a file that contains only line breaks and separators would need a hundred times its size in memory.
pub const MOST_RECORDS: usize = 20_001;
/// Maximum number of stored fields per record.
pub const MOST_FIELDS: usize = 64;

/// A record: its first line and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Number of its first line, from 1.
    pub line: usize,
    /// Its fields, at most [`MOST_FIELDS`].
    pub fields: Vec<String>,
    /// The number of fields in the file.
    pub count: usize,
}

/// A quotation mark in this line is never closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenQuote(pub usize);

/// Decodes a file in UTF-8, with or without byte order mark, or else in Latin-1 (every byte is a character).
#[must_use]
pub fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Returns the separator of the header line: the most frequent of semicolon, tab, and comma.
#[must_use]
pub fn separator(text: &str) -> char {
    let head = text.lines().next().unwrap_or_default();
    let count = |separator: char| head.matches(separator).count();
    [';', '\t', ','].into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(',')
}

/// Parses the records of a text, at most one more than [`MOST_RECORDS`]. Empty lines are skipped. Quoted fields may
/// contain separators, line breaks, and doubled quotation marks.
///
/// # Errors
/// If a quotation mark is never closed.
pub fn records(text: &str, separator: char) -> Result<Vec<Record>, OpenQuote> {
    let mut reader = ReaderBuilder::new().delimiter(u8::try_from(separator).unwrap_or(b',')).build();
    // The reader drops a byte order mark at the start of its input. `decode` has already dropped the one of the file,
    // so another one is text.
    reader.read_field(b"\n", &mut [0]);
    // This line break ends the last record. If a quotation mark is open, the reader treats it as text.
    let text = [text.as_bytes(), b"\n"].concat();
    let mut rest = text.as_slice();
    let mut field = vec![0; text.len()];
    let (mut records, mut fields, mut line, mut begun) = (Vec::new(), Fields::default(), 1, 1);
    loop {
        if fields.count == 0 {
            while let Some(next) = without_break(rest) {
                (rest, line) = (next, line + 1);
            }
            begun = line;
        }
        let (result, read, written) = reader.read_field(rest, &mut field);
        match result {
            ReadFieldResult::Field { record_end } => {
                let field = String::from_utf8_lossy(&field[..written]);
                fields.push(&field);
                line += field.matches('\n').count();
                // Keep the line break at the end of a record, so that it is counted with the empty lines after it.
                rest = &rest[if record_end { read - 1 } else { read }..];
                if record_end {
                    fields.end(&mut records, begun);
                    if records.len() > MOST_RECORDS {
                        return Ok(records);
                    }
                }
            }
            _ if written > 0 => return Err(OpenQuote(line)),
            _ => return Ok(records),
        }
    }
}

/// Returns the text after a leading line break.
fn without_break(text: &[u8]) -> Option<&[u8]> {
    [b"\r\n".as_slice(), b"\n", b"\r"].iter().find_map(|end| text.strip_prefix(*end))
}

/// The fields of the current record.
#[derive(Default)]
struct Fields {
    kept: Vec<String>,
    count: usize,
    is_filled: bool,
}

impl Fields {
    fn push(&mut self, field: &str) {
        let field = field.trim();
        self.count += 1;
        self.is_filled |= !field.is_empty();
        if self.kept.len() < MOST_FIELDS {
            self.kept.push(field.to_owned());
        }
    }

    fn end(&mut self, records: &mut Vec<Record>, line: usize) {
        let Self { kept: fields, count, is_filled } = std::mem::take(self);
        if is_filled {
            records.push(Record { line, fields, count });
        }
    }
}

/// Appends a record as in RFC 4180. A field that a spreadsheet would interpret as a formula gets a leading apostrophe.
pub fn write(out: &mut String, fields: &[&str]) {
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let quoted = formula || field.contains([',', '"', '\n', '\r', ';']);
        if quoted {
            out.push('"');
        }
        if formula {
            out.push('\'');
        }
        out.push_str(&field.replace('"', "\"\""));
        if quoted {
            out.push('"');
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        records(text, separator(text)).unwrap().into_iter().map(|record| (record.line, record.fields)).collect()
    }

    #[test]
    fn tables_of_every_make_are_read() {
        let expected = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>();
        for text in ["mac;name\r\n1;\"a;b\"\r\n", "mac,name\n1,\"a;b\"", "mac\tname\n\n1\ta;b\n\n"] {
            let rows = read(text);
            assert_eq!(rows[0].1, expected(&["mac", "name"]), "{text}");
            assert_eq!(rows[1].1, expected(&["1", "a;b"]), "{text}");
        }
        let rows = read("a;b\n\"x\n\"\"y\"\"\";z\n\nlast;\n");
        assert_eq!(rows[1], (2, expected(&["x\n\"y\"", "z"])));
        assert_eq!(rows[2], (5, expected(&["last", ""])));
        assert_eq!(records("a,b\n\"open,1\n2", ',').unwrap_err(), OpenQuote(2));
    }

    #[test]
    fn lines_are_counted_as_editors_count_them() {
        let lines = |text: &str| read(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(lines("a\n\nb\r\n\r\nc\r\rd\n ;\ne"), [1, 3, 5, 7, 9]);
        assert_eq!(
            lines("a;b\n\nc;\"1\n2\r3\"\nd"),
            [1, 3, 5],
            "a lone carriage return in quotation marks begins no line"
        );
        assert_eq!(records("a\r\n\"1\n2\",\"open\n\n", ',').unwrap_err(), OpenQuote(3));
    }

    #[test]
    fn quotation_marks_inside_a_field_and_a_second_byte_order_mark_are_text() {
        assert_eq!(read("a\"b\",\"c\"d\"e\n")[0].1, ["a\"b\"", "cd\"e"]);
        assert_eq!(read(&decode("\u{feff}\u{feff}a".as_bytes()))[0].1, ["\u{feff}a"]);
    }

    #[test]
    fn a_bomb_becomes_no_larger_than_a_table() {
        let most = 8 << 20;
        for unit in [",", "\n", "a,", "a\n", ",\n", "\"\"", "\"a\",", "a\r", &format!("a{}\n", ",".repeat(200))] {
            let text = unit.repeat(most / unit.len());
            let read = records(&text, ',').unwrap();
            assert!(read.len() <= MOST_RECORDS + 1, "{unit:?}");
            assert!(read.iter().all(|record| record.fields.len() <= MOST_FIELDS), "{unit:?}");
        }
        let wide = records(&"a,".repeat(100), ',').unwrap();
        assert_eq!((wide[0].count, wide[0].fields.len()), (101, MOST_FIELDS), "it is known to be wider");
    }

    #[test]
    fn umlauts_arrive_from_both_encodings() {
        assert_eq!(decode("\u{feff}Jürgen".as_bytes()), "Jürgen");
        assert_eq!(decode(b"J\xfcrgen"), "Jürgen");
        assert_eq!(decode("Jürgen".as_bytes()), "Jürgen");
    }

    #[test]
    fn a_formula_is_text() {
        let mut out = String::new();
        write(&mut out, &["=cmd|' /C calc'!A0", "a,b", "say \"hi\"", "plain", "-1"]);
        assert_eq!(out, "\"'=cmd|' /C calc'!A0\",\"a,b\",\"say \"\"hi\"\"\",plain,\"'-1\"\r\n");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_what_is_written_is_read(fields in proptest::collection::vec("[a-z;,\"\n ]{1,8}x", 1..5), any in ".{0,60}") {
            let _ = records(&any, separator(&any));
            let mut out = String::new();
            write(&mut out, &fields.iter().map(String::as_str).collect::<Vec<_>>());
            let read = records(&out, ',').unwrap();
            let trimmed: Vec<String> = fields.iter().map(|field| field.trim().to_owned()).collect();
            proptest::prop_assert_eq!(&read[0].fields, &trimmed);
        }
    }
}
