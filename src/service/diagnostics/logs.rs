//! Reads the end of log files to include, as far as there may be space.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::LazyLock,
};

use regex::Regex;

use crate::base::telemetry::redact;

/// Maximum length of a line, in bytes.
const LINE: usize = 16 * 1024;

/// The end of a log.
#[derive(Debug, Default)]
pub struct Tail {
    /// Its lines, the newest last.
    pub lines: Vec<String>,
    /// Whether earlier lines were omitted.
    pub is_cut: bool,
}

/// Reads the last `most` bytes of a file or a pipe, starting at a line.
///
/// # Errors
/// If it cannot be read.
pub fn tail(path: &Path, most: usize) -> io::Result<Tail> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut is_cut = false;
    // A pipe cannot seek, so it is read completely.
    if let Some(skipped) = length.checked_sub(most as u64).filter(|skipped| *skipped > 0)
        && file.seek(SeekFrom::Start(skipped)).is_ok()
    {
        is_cut = true;
    }
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
        if bytes.len() > 2 * most {
            bytes.drain(..bytes.len() - most);
            is_cut = true;
        }
    }
    if bytes.len() > most {
        bytes.drain(..bytes.len() - most);
        is_cut = true;
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text.lines().map(readable).collect();
    if is_cut && lines.len() > 1 {
        // Remove an incomplete line.
        lines.remove(0);
    }
    Ok(Tail { lines, is_cut })
}

/// Removes colours and tokens in paths, and limits the length.
fn readable(line: &str) -> String {
    static COLOURS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("\u{1b}\\[[0-9;]*[A-Za-z]").ok());
    let plain = COLOURS.as_ref().map_or(line.into(), |colours| colours.replace_all(line, ""));
    let line = redact::path(&plain);
    match line.get(..line.floor_char_boundary(LINE)) {
        Some(short) if short.len() < line.len() => format!("{short} ... ({} bytes)", line.len()),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_end_of_a_log_begins_with_a_line() {
        let text: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        let file = written(&text);
        let all = tail(file.path(), 1 << 20).unwrap();
        assert_eq!((all.lines.len(), all.is_cut), (1000, false));
        let end = tail(file.path(), 100).unwrap();
        assert!(end.is_cut && end.lines.len() < 12, "{end:?}");
        assert_eq!(end.lines.first().unwrap(), "line 989");
        assert_eq!(end.lines.last().unwrap(), "line 999");
    }

    #[test]
    fn bodies_without_a_length_are_read_to_the_end() {
        let zeros = tail(Path::new("/proc/self/status"), 64).unwrap();
        assert!(zeros.is_cut && !zeros.lines.is_empty());
    }

    #[test]
    fn colours_and_tokens_are_taken_out_and_lines_end() {
        let file = written(&format!("\u{1b}[2mGET\u{1b}[0m /d/i/phone/t0ken/x.cfg\n{}\n", "x".repeat(LINE + 9)));
        let read = tail(file.path(), 1 << 20).unwrap().lines;
        assert_eq!(read[0], "GET /d/i/phone/***/x.cfg");
        assert!(read[1].len() < LINE + 40 && read[1].ends_with("bytes)"));
    }
}
