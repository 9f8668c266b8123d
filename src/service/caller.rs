//! Who asks the service, and from where.

use std::{net::IpAddr, sync::Arc};

use gangway_wire::appws::Identity;

use crate::phone::instance::Instance;

/// The origin of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The instance.
    pub instance: Arc<Instance>,
    /// The kind of caller.
    pub who: CallerKind,
    /// The address.
    pub source: IpAddr,
}

/// The kind of caller.
#[derive(Debug, Clone)]
pub enum CallerKind {
    /// A user of the admin page.
    Page(Box<Identity>),
    /// A script with this token.
    Token(String),
    /// A user at the command line of this machine.
    Command(String),
}
