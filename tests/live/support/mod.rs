//! Support for the end-to-end tests: simulators, a gateway (in this process or as the real binary), and functions that
//! wait for the gateway's records. Everything waits for conditions instead of sleeping.

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

/// Returns a test MAC address from a real address block of the vendor.
pub fn mac(number: u8) -> Mac {
    Mac::new([0x80, 0x5e, 0xc0, 0x12, 0x34, number]).unwrap()
}

/// Starts a background task that ends with the test.
#[expect(clippy::disallowed_methods, reason = "the task belongs to the test, not to a gateway")]
pub fn in_background<T: 'static>(work: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    actix_rt::spawn(work)
}
