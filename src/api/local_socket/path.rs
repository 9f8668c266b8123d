//! Where the socket is. The path of a Unix socket has at most 107 bytes, and a data directory may have a longer one. So
//! the socket is addressed through the descriptor of the directory.

use std::{
    fs::{self, File, Permissions},
    io::{self, ErrorKind},
    os::{
        fd::AsRawFd,
        unix::{
            fs::{MetadataExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

/// The name of the socket in the data directory.
pub const SOCKET: &str = "gangway.sock";

/// An open data directory.
#[derive(Debug)]
pub struct SocketDirectory {
    directory: File,
    /// Its path, for messages.
    dir: PathBuf,
}

/// Identifies the file of a bound socket: device and inode. Its inode is not used again while the listener exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketFile {
    device: u64,
    inode: u64,
}

impl SocketDirectory {
    /// Opens the data directory.
    ///
    /// # Errors
    /// When it does not exist or cannot be opened.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Ok(Self { directory: File::open(dir)?, dir: dir.to_owned() })
    }

    /// The path of the socket, for messages.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }

    fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.directory.as_raw_fd().to_string()).join(SOCKET)
    }

    /// Creates the socket, and returns the file that it is. The caller holds the serve lock, so an existing file is left
    /// from a process that was killed.
    ///
    /// # Errors
    /// When the file system cannot create it.
    pub fn bind(&self) -> io::Result<(UnixListener, SocketFile)> {
        self.remove()?;
        let path = self.path();
        let listener = UnixListener::bind(&path)?;
        // Until then the directory protects it: only its owner can enter.
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok((listener, self.file()?))
    }

    fn file(&self) -> io::Result<SocketFile> {
        let file = fs::symlink_metadata(self.path())?;
        Ok(SocketFile { device: file.dev(), inode: file.ino() })
    }

    /// Whether the directory still has this file as its socket.
    #[must_use]
    pub fn holds(&self, file: &SocketFile) -> bool {
        self.file().is_ok_and(|found| found == *file)
    }

    /// Connects to the socket. Returns `None` if no gateway listens.
    ///
    /// # Errors
    /// When the access is denied or fails for another reason.
    pub fn connect(&self) -> io::Result<Option<UnixStream>> {
        match UnixStream::connect(self.path()) {
            Ok(stream) => {
                stream.set_nonblocking(true)?;
                Ok(Some(stream))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the socket.
    ///
    /// # Errors
    /// When it exists and cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_works_in_a_directory_with_a_long_path_and_after_a_kill() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("d".repeat(200)).join("e".repeat(200));
        fs::create_dir_all(&dir).unwrap();
        let place = SocketDirectory::open(&dir).unwrap();
        assert!(place.connect().unwrap().is_none(), "there is no socket yet");
        let (listener, file) = place.bind().unwrap();
        assert!(place.holds(&file));
        assert_eq!(fs::metadata(dir.join(SOCKET)).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(SocketDirectory::open(&dir).unwrap().connect().unwrap().is_some());
        drop(listener);
        assert!(dir.join(SOCKET).exists(), "as a killed process leaves it");
        assert!(place.connect().unwrap().is_none());
        let (_again, other) = place.bind().unwrap();
        assert!(place.holds(&other));
        assert!(place.connect().unwrap().is_some());
        place.remove().unwrap();
        assert!(!dir.join(SOCKET).exists() && !place.holds(&other));
    }
}
