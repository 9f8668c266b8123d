//! Writes the archive: one zip file, either complete or absent, readable only by its owner.

use std::{
    fs::{self, OpenOptions},
    io::{self, Cursor, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use jiff::{Timestamp, tz::TimeZone};
use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipError, write::SimpleFileOptions};

/// Packs files with their paths.
///
/// # Errors
/// If they cannot be packed.
pub fn pack<'a>(files: impl Iterator<Item = (&'a str, &'a str)>, at: Timestamp) -> Result<Vec<u8>, ZipError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(0o600)
        .last_modified_time(date(at));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        archive.start_file(name, options)?;
        archive.write_all(text.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

/// The time in an archive, in UTC.
fn date(at: Timestamp) -> DateTime {
    let at = at.to_zoned(TimeZone::UTC).datetime();
    let part = |number: i8| u8::try_from(number).unwrap_or_default();
    let year = u16::try_from(at.year()).unwrap_or_default();
    DateTime::from_date_and_time(
        year,
        part(at.month()),
        part(at.day()),
        part(at.hour()),
        part(at.minute()),
        part(at.second()),
    )
    .unwrap_or_default()
}

/// Writes a file that must not exist yet.
///
/// # Errors
/// If it exists or cannot be written. A partial file is removed.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_bundle_is_its_owners_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.zip");
        write_new(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(write_new(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn what_is_packed_comes_back_with_its_time() {
        let at: Timestamp = "2026-11-21T16:50:22Z".parse().unwrap();
        let bytes = pack([("a/b.txt", "text"), ("c.txt", "")].into_iter(), at).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(
            archive.file_names().map(|name| name.unwrap().into_owned()).collect::<Vec<_>>(),
            ["a/b.txt", "c.txt"]
        );
        let mut file = archive.by_name("a/b.txt").unwrap();
        assert_eq!(io::read_to_string(&mut file).unwrap(), "text");
        let time = file.last_modified().unwrap();
        assert_eq!((time.year(), time.month(), time.hour(), time.second()), (2026, 11, 16, 22));
    }
}
