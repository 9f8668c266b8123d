//! What every simulated redirect service has: a shared state that tests read and change, gates, and a listener.

use std::io;

use actix_web::web::{Data, ServiceConfig};
use gangway_base::mac::Mac;

use crate::{board::Board, gate::Gates, host::HostHandle, server::SimServer};

/// The state of one service.
pub trait RedirectState: Send + Sync + 'static {
    /// The behaviours that tests select.
    type Switches;

    /// The selected behaviours.
    fn switches(&mut self) -> &mut Self::Switches;

    /// The URL a phone is currently redirected to; `mac` as 12 hex digits.
    fn target(&self, mac: &str) -> Option<String>;
}

/// A running redirect service. Cheap to clone; all clones share the same state.
#[derive(Debug)]
pub struct RedirectService<S> {
    board: Board<S>,
    gates: Gates,
    server: SimServer,
}

impl<S> Clone for RedirectService<S> {
    fn clone(&self) -> Self {
        Self { board: self.board.clone(), gates: self.gates.clone(), server: self.server.clone() }
    }
}

impl<S: RedirectState> RedirectService<S> {
    /// Starts the service. Handlers get the state as `Data<Board<S>>` and the gates as `Data<Gates>`.
    pub(crate) async fn start_with(
        host: &HostHandle,
        state: S,
        routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (board, gates) = (Board::new(state), Gates::default());
        let data = (Data::new(board.clone()), Data::new(gates.clone()));
        let server = SimServer::start(host, move |services| {
            services.app_data(data.0.clone()).app_data(data.1.clone());
            routes(services);
        })
        .await?;
        Ok(Self { board, gates, server })
    }

    /// The service's state and records. Tests can read it and wait for changes.
    #[must_use]
    pub fn board(&self) -> &Board<S> {
        &self.board
    }

    /// The gates at which a test can hold a call. The module of the service names them.
    #[must_use]
    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Base URL that factory-fresh phones contact, without a path.
    #[must_use]
    pub fn phone_url(&self) -> String {
        self.server.base()
    }

    /// Refuses connections until [`Self::start_again`].
    pub async fn stop(&self) {
        self.server.stop().await;
    }

    /// Starts the service again on the same port.
    pub async fn start_again(&self) -> io::Result<()> {
        self.server.start_again().await
    }

    /// Changes the selected behaviours.
    pub fn switch(&self, set: impl FnOnce(&mut S::Switches)) {
        self.board.change(|state| set(state.switches()));
    }

    /// The URL a phone is currently redirected to.
    #[must_use]
    pub fn target(&self, mac: Mac) -> Option<String> {
        self.board.read(|state| state.target(&mac.to_string()))
    }
}
