//! Routes of websocket upgrades and pages, for the listeners.

use std::{net::IpAddr, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Payload};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;

use crate::{
    api::appwebsocket::{AppWebsocketContext, server},
    http::{client_address::Proxies, interfaces::Upgrade, server::connections::is_over_tls},
    phone::instance::Instance,
};

/// The AppWebsocket routes.
pub struct WebsocketRoutes {
    /// The context of the AppWebsocket APIs.
    pub apis: AppWebsocketContext,
    /// The proxies whose forwarding headers are trusted.
    pub proxies: Proxies,
}

impl WebsocketRoutes {
    fn source(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?;
        Some(self.proxies.client(peer.ip(), is_over_tls(request), request.headers()).address)
    }
}

impl Upgrade for WebsocketRoutes {
    fn upgrade(
        &self,
        request: HttpRequest,
        mut payload: Payload,
        instance: Arc<Instance>,
    ) -> LocalBoxFuture<'static, HttpResponse> {
        let source = self.source(&request);
        let apis = self.apis.clone();
        Box::pin(async move {
            let Some(source) = source else { return HttpResponse::BadRequest().finish() };
            let place = tokio::select! {
                biased;
                place = apis.places.enter(instance.id, source) => place,
                // A client must not send frames before the response (RFC 6455, 4.1). No limit applies to them yet, so
                // none are buffered. A client that disconnects loses its place.
                _early = payload.next() => return server::too_early(),
            };
            let Some(place) = place else { return server::reject_full() };
            let answer = server::upgrade(&request, payload, (source, place), &instance, &apis).await;
            answer.unwrap_or_else(|error| error.error_response())
        })
    }
}
