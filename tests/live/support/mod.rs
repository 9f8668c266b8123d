//! What every test here needs: a world of simulators, a gateway in it (in this process or as the real binary), and
//! ways to wait for what the gateway records. Nothing here sleeps; everything waits for a condition.

pub mod bench;
pub mod bundle;
pub mod faults;
pub mod gateway;
pub mod http;
pub mod options;
pub mod page;
pub mod process;
pub mod records;
pub mod script;
pub mod socket;

use std::future::Future;

use gangway_base::mac::Mac;
use tokio::task::JoinHandle;

/// The phones of a test: addresses out of a real block of the vendor.
pub fn mac(number: u8) -> Mac {
    Mac::new([0x80, 0x5e, 0xc0, 0x12, 0x34, number]).unwrap()
}

/// Starts something that is to be under way while the test goes on; it ends with the test.
#[expect(clippy::disallowed_methods, reason = "a test's own task belongs to no gateway")]
pub fn in_background<T: 'static>(work: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    actix_rt::spawn(work)
}
