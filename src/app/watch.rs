//! One memory of who tries MAC addresses, for all ways to ask.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::{
    http::scanners::Scanners,
    phone::{instance::InstanceId, mac::Mac},
    sip::Watch,
};

impl Watch for Scanners {
    fn saw(&self, instance: InstanceId, source: IpAddr, mac: Mac, now: Timestamp) {
        self.saw(instance, source, mac, now);
    }

    fn is_frozen(&self, instance: InstanceId, source: IpAddr, now: Timestamp) -> bool {
        self.is_frozen(instance, source, now)
    }
}
