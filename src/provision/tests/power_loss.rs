//! Power fails while SQLite writes, so that any prefix of its log may be on disk. Every prefix must open and show
//! exactly the last complete commit. The gateway must continue from it to the same end, although its peers remember
//! more.

use std::{fs, path::Path, sync::Arc};

use gangway_base::{clock::ManualClock, tasks::Tasks};

use super::{bench::Bench, lifecycle::LifecycleDriver};
use crate::store::{Store, StoreError};

/// Header sizes of the log and of a frame: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>
const HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
/// The gateway is run from this many of the different commits, evenly spread.
const LIVES: usize = 10;

/// The files of a data directory.
struct Disk {
    database: Vec<u8>,
    log: Vec<u8>,
    key: Vec<u8>,
}

impl Disk {
    fn read(dir: &Path) -> Self {
        let read = |name: &str| fs::read(dir.join(name)).unwrap();
        Self { database: read("gangway.db"), log: read("gangway.db-wal"), key: read("seal.key") }
    }

    /// The data directory after the power loss, with this much of the log.
    fn cut(&self, length: usize) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("gangway.db"), &self.database).unwrap();
        fs::write(dir.path().join("gangway.db-wal"), &self.log[..length]).unwrap();
        fs::write(dir.path().join("seal.key"), &self.key).unwrap();
        dir
    }

    fn frame(&self) -> usize {
        FRAME_HEAD + u32::from_be_bytes(self.log[8..12].try_into().unwrap()) as usize
    }

    /// Ends of the frames, and whether a commit ends with the frame.
    fn frames(&self) -> Vec<(usize, bool)> {
        let whole = self.log[HEAD..].chunks_exact(self.frame());
        let is_commit = |frame: &[u8]| frame[4..8] != [0; 4];
        whole.enumerate().map(|(number, frame)| (HEAD + (number + 1) * self.frame(), is_commit(frame))).collect()
    }
}

/// The error with which a store does not open.
async fn refusal(dir: &Path, clock: &ManualClock) -> Option<StoreError> {
    let tasks = Tasks::new();
    let error = Store::open(dir, Arc::new(clock.clone()), &tasks).await.err();
    tasks.finish(std::time::Duration::from_secs(10)).await;
    error
}

/// The phones that a store contains.
async fn shown(dir: &Path, clock: &ManualClock) -> String {
    let tasks = Tasks::new();
    let store = Store::open(dir, Arc::new(clock.clone()), &tasks).await.unwrap();
    let text = format!("{:?}", store.phones().all());
    tasks.finish(std::time::Duration::from_secs(10)).await;
    text
}

#[tokio::test]
async fn any_beginning_of_the_log_is_a_state_the_gateway_goes_on_from() {
    let mut driver = LifecycleDriver::new();
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::on(dir, driver.peers.clone(), driver.clock.clone()).await;
    driver.install(&mut bench).await;
    let disk = Disk::read(bench.data());
    let end = format!("{:?}", [bench.beside().await]);
    bench.stop().await;

    let frames = disk.frames();
    assert!(frames.len() > 20, "the life is written in {} frames", frames.len());
    // The key is created once the tables are on disk. With a key but without the tables, the database counts as
    // missing.
    let mut first = 0;
    while let Some(error) = refusal(disk.cut(frames[first].0).path(), &driver.clock).await {
        assert!(matches!(error, StoreError::DatabaseMissing { .. }), "frame {first}: {error}");
        first += 1;
    }
    assert!(frames[first].1 && first < frames.len() / 2, "the tables are there with frame {first} of {}", frames.len());
    let (mut states, mut last): (Vec<(usize, String)>, String) = (Vec::new(), String::new());
    for (number, (length, is_commit)) in frames.iter().enumerate().skip(first) {
        let dir = disk.cut(*length);
        let now = shown(dir.path(), &driver.clock).await;
        if *is_commit {
            if now != last {
                states.push((*length, now.clone()));
            }
            last = now;
        } else {
            assert_eq!(now, last, "frame {number} shows what is not committed");
        }
        // Cut inside the next frame, each time at a different place.
        let inside = length + 1 + (number * 997) % (disk.frame() - 1);
        if number % 3 == 0 && inside < disk.log.len() {
            let dir = disk.cut(inside);
            assert_eq!(shown(dir.path(), &driver.clock).await, last, "half of frame {} is read", number + 1);
        }
    }
    assert_eq!(last, end, "the whole log is the whole life");
    assert!(states.len() > 5, "only {} different states", states.len());

    let step = states.len().div_ceil(LIVES);
    for (length, _) in states.iter().step_by(step) {
        let mut driver = driver.again();
        let mut bench = Bench::on(disk.cut(*length), driver.peers.clone(), driver.clock.clone()).await;
        driver.install(&mut bench).await;
        driver.check_installed(&bench, &format!("power lost after {length} bytes"));
        assert!(driver.clicks <= 1, "one click heals");
        driver.remove(&mut bench).await;
        bench.stop().await;
    }
}
