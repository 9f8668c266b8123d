//! The simulated devices of the demo: phones and bases of both vendors. Only this file distinguishes between them.

use gangway_base::mac::Mac;
use gangway_sim::{
    host::HostGone,
    simulation::Simulation,
    snom_phone::{self, SnomPhone},
    yealink_phone::{self, YealinkPhone},
};

/// A kind of device in the demo.
#[derive(Debug, Clone, Copy)]
pub struct DeviceKind {
    /// Manufacturer as offered in Profile.
    pub title: &'static str,
    /// Number of users who enter its MAC: one, or one per handset of a base.
    pub users: u16,
    model: Model,
}

#[derive(Debug, Clone, Copy)]
enum Model {
    Yealink(yealink_phone::YealinkModel),
    Snom(snom_phone::SnomModel),
}

const fn yealink(model: yealink_phone::YealinkModel) -> DeviceKind {
    DeviceKind { title: "Yealink", users: 1, model: Model::Yealink(model) }
}

const fn snom(model: snom_phone::SnomModel) -> DeviceKind {
    DeviceKind { title: "Snom", users: 1, model: Model::Snom(model) }
}

/// The kinds, used in turn.
const KINDS: &[DeviceKind] = &[
    yealink(yealink_phone::model::T46U),
    snom(snom_phone::model::D785),
    DeviceKind { title: "Snom DECT", users: 2, model: Model::Snom(snom_phone::model::M900) },
    DeviceKind { title: "Yealink DECT", users: 2, model: Model::Yealink(yealink_phone::model::W70B) },
    yealink(yealink_phone::model::T48G_OLD),
    snom(snom_phone::model::D713),
    yealink(yealink_phone::model::T31P),
    snom(snom_phone::model::OLD_710),
    yealink(yealink_phone::model::T54W),
];

/// Providers that have app objects at the demo's PBX.
pub const PROVIDERS: &[&str] = &["yealink", "yealink-dect", "snom", "snom-dect"];

/// The first `count` devices, taking the kinds in turn.
pub fn kinds(count: u16) -> impl Iterator<Item = (u16, DeviceKind)> {
    (0..count).zip(KINDS.iter().copied().cycle())
}

/// An unpacked device.
#[derive(Debug, Clone)]
pub enum Device {
    /// A Yealink.
    Yealink(YealinkPhone),
    /// A Snom.
    Snom(SnomPhone),
}

impl DeviceKind {
    /// Unpacks the device with this number. `None` if its MAC would not be valid.
    pub fn unpack(&self, simulation: &Simulation, number: u16) -> Option<Device> {
        let [high, low] = number.to_be_bytes();
        Some(match self.model {
            Model::Yealink(model) => {
                Device::Yealink(simulation.add_phone(Mac::new([0x80, 0x5e, 0xc0, 0, high, low]).ok()?, model))
            }
            Model::Snom(model) => {
                Device::Snom(simulation.add_snom_phone(Mac::new([0, 0x04, 0x13, 0, high, low]).ok()?, model))
            }
        })
    }
}

impl Device {
    /// MAC address.
    pub fn mac(&self) -> Mac {
        match self {
            Self::Yealink(phone) => phone.mac(),
            Self::Snom(phone) => phone.mac(),
        }
    }

    /// MAC and model, as printed at the start of the demo's lines.
    pub fn name(&self) -> String {
        let model = match self {
            Self::Yealink(phone) => phone.model().name,
            Self::Snom(phone) => phone.model().name,
        };
        format!("{} {model}", self.mac())
    }

    /// Boots the device. Returns the files it requested with their statuses.
    pub async fn boot(&self) -> Result<Vec<String>, HostGone> {
        let line = |(file, status): (&str, u16)| format!("{file} {status}");
        Ok(match self {
            Self::Yealink(phone) => phone.boot().await?.pairs().into_iter().map(line).collect(),
            Self::Snom(phone) => phone.boot().await?.pairs().into_iter().map(line).collect(),
        })
    }

    /// Whether all its enabled accounts are registered.
    pub fn is_registered(&self) -> bool {
        match self {
            Self::Yealink(phone) => phone.is_registered(),
            Self::Snom(phone) => phone.is_registered(),
        }
    }
}

/// All devices unpacked so far.
pub fn all(simulation: &Simulation) -> Vec<Device> {
    let yealink = simulation.phones().into_iter().map(Device::Yealink);
    yealink.chain(simulation.snom_phones().into_iter().map(Device::Snom)).collect()
}
