//! Where the socket is. The path of a Unix socket has at most 107 bytes, and a data directory may have a longer one. So
//! the socket is addressed through the descriptor of the directory.

use std::{
    fs::{self, File, Permissions},
    io::{self, ErrorKind},
    os::{
        fd::AsRawFd,
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

/// The name of the socket in the data directory.
pub const SOCKET: &str = "gangway.sock";

/// An open data directory.
#[derive(Debug)]
pub struct SocketDirectory(File);

impl SocketDirectory {
    /// Opens the data directory.
    ///
    /// # Errors
    /// When it does not exist or cannot be opened.
    pub fn open(dir: &Path) -> io::Result<Self> {
        File::open(dir).map(Self)
    }

    fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.0.as_raw_fd().to_string()).join(SOCKET)
    }

    /// Creates the socket. The caller holds the serve lock, so an existing file is left from a process that was killed.
    ///
    /// # Errors
    /// When the file system cannot create it.
    pub fn bind(&self) -> io::Result<UnixListener> {
        self.remove()?;
        let path = self.path();
        let listener = UnixListener::bind(&path)?;
        // Until then the directory protects it: only its owner can enter.
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
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
        let listener = place.bind().unwrap();
        assert_eq!(fs::metadata(dir.join(SOCKET)).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(SocketDirectory::open(&dir).unwrap().connect().unwrap().is_some());
        drop(listener);
        assert!(dir.join(SOCKET).exists(), "as a killed process leaves it");
        assert!(place.connect().unwrap().is_none());
        let _again = place.bind().unwrap();
        assert!(place.connect().unwrap().is_some());
        place.remove().unwrap();
        assert!(!dir.join(SOCKET).exists());
    }
}
