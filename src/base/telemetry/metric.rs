//! Defines the names of all metrics except `gangway_phone_requests_total`: the listeners count phone requests under
//! that name with preregistered handles.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Counters and gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Successful AppWebsocket logins.
    LoginsAccepted,
    /// Failed AppWebsocket logins.
    LoginsFailed,
    /// AppWebsockets rejected because their source had too many open connections without login.
    SocketsRefused,
    /// Sources detected as scanning MAC addresses, by sign.
    ScanningSources,
    /// Ignored messages that are unknown or not permitted, by reason.
    MessagesIgnored,
    /// ProvisioningPhone requests, by result.
    ProvisionRequests,
    /// Calls to redirect services, by command and outcome.
    RedirectCalls,
    /// Datagrams received by the PnP listener, by outcome.
    PnpDatagrams,
    /// Actions of the provisioning engine, by facet and result.
    Steps,
    /// Items lost because a bounded queue was full, by queue.
    QueueDrops,
    /// Successful TLS handshakes of our listeners, full or resumed.
    Handshakes,
    /// Failed TLS handshakes of our listeners, by reason.
    HandshakesFailed,
    /// TLS connections closed before the handshake, by limit.
    ConnectionsTurnedAway,
    /// Phone requests over TLS, by the validity of the client certificate.
    ClientCertificates,
    /// Gauge: sysclients, by state.
    Sysclients,
    /// Gauge: phones in the phone cache.
    Phones,
    /// Gauge: phones by the state of their entry at the redirect service.
    PhonesByRedirect,
    /// Gauge: phones that the redirect service still directs to an old URL.
    PhonesToMove,
    /// Gauge: PBX sessions.
    PbxSessions,
    /// Gauge: bytes in the cache of rendered files.
    RenderCacheBytes,
}

impl Metric {
    /// All metrics, for the table of descriptions.
    pub const ALL: &'static [Self] = &[
        Self::LoginsAccepted,
        Self::LoginsFailed,
        Self::SocketsRefused,
        Self::ScanningSources,
        Self::MessagesIgnored,
        Self::ProvisionRequests,
        Self::RedirectCalls,
        Self::PnpDatagrams,
        Self::Steps,
        Self::QueueDrops,
        Self::Handshakes,
        Self::HandshakesFailed,
        Self::ConnectionsTurnedAway,
        Self::ClientCertificates,
        Self::Sysclients,
        Self::Phones,
        Self::PhonesByRedirect,
        Self::PhonesToMove,
        Self::PbxSessions,
        Self::RenderCacheBytes,
    ];

    /// The name of the metric.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LoginsAccepted => "gangway_logins_accepted_total",
            Self::LoginsFailed => "gangway_logins_failed_total",
            Self::SocketsRefused => "gangway_sockets_refused_total",
            Self::ScanningSources => "gangway_scanning_sources_total",
            Self::MessagesIgnored => "gangway_messages_ignored_total",
            Self::ProvisionRequests => "gangway_provision_requests_total",
            Self::RedirectCalls => "gangway_redirect_calls_total",
            Self::PnpDatagrams => "gangway_pnp_datagrams_total",
            Self::Steps => "gangway_steps_total",
            Self::QueueDrops => "gangway_queue_drops_total",
            Self::Handshakes => "gangway_tls_handshakes_total",
            Self::HandshakesFailed => "gangway_tls_handshakes_failed_total",
            Self::ConnectionsTurnedAway => "gangway_connections_turned_away_total",
            Self::ClientCertificates => "gangway_client_certificates_total",
            Self::Sysclients => "gangway_sysclients",
            Self::Phones => "gangway_phones",
            Self::PhonesByRedirect => "gangway_phones_by_redirect",
            Self::PhonesToMove => "gangway_phones_to_move",
            Self::PbxSessions => "gangway_pbx_sessions",
            Self::RenderCacheBytes => "gangway_render_cache_bytes",
        }
    }

    /// What the metric counts.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::LoginsAccepted => "AppWebsocket logins that succeeded",
            Self::LoginsFailed => "AppWebsocket logins that failed",
            Self::SocketsRefused => "AppWebsockets refused before login, too many of one source",
            Self::ScanningSources => "Sources that tried one MAC address after the other",
            Self::MessagesIgnored => "Messages that were not understood or not allowed",
            Self::ProvisionRequests => "ProvisioningPhone requests answered",
            Self::RedirectCalls => "Calls of redirect services",
            Self::PnpDatagrams => "Datagrams at the SIP PnP listener",
            Self::Steps => "Actions of the provisioning engine",
            Self::QueueDrops => "Things lost because a bounded queue was full",
            Self::Handshakes => "TLS handshakes that succeeded, full or resumed",
            Self::HandshakesFailed => "TLS handshakes that failed, by reason",
            Self::ConnectionsTurnedAway => "Connections closed at once because their source had too many, by limit",
            Self::ClientCertificates => "Requests of phones over TLS by what their client certificate was worth",
            Self::Sysclients => "Sysclients by state",
            Self::Phones => "Phones in the roster",
            Self::PhonesByRedirect => "Phones by the state of their entry at the redirect service",
            Self::PhonesToMove => "Phones whose redirect service still sends them to an old URL",
            Self::PbxSessions => "Sessions of PBX app objects",
            Self::RenderCacheBytes => "Bytes in the cache of rendered files",
        }
    }
}

/// Increments a counter.
pub fn increment(metric: Metric, labels: &[(&'static str, &'static str)]) {
    let labels: Vec<metrics::Label> =
        labels.iter().map(|(key, value)| metrics::Label::from_static_parts(key, value)).collect();
    metrics::counter!(metric.name(), labels).increment(1);
}

/// Sets a gauge.
pub fn gauge(metric: Metric, labels: &[(&'static str, &'static str)], value: f64) {
    let labels: Vec<metrics::Label> =
        labels.iter().map(|(key, value)| metrics::Label::from_static_parts(key, value)).collect();
    metrics::gauge!(metric.name(), labels).set(value);
}

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder; call it once per process. Handles created earlier do not record anything.
pub fn install_recorder() {
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // If another recorder is already installed (by a test that uses this library), ours records nothing.
        let _ = metrics::set_global_recorder(recorder);
        for metric in Metric::ALL {
            if metric.name().ends_with("_total") {
                metrics::describe_counter!(metric.name(), metric.help());
            } else {
                metrics::describe_gauge!(metric.name(), metric.help());
            }
        }
        handle
    });
}

/// The response body of `/metrics`.
#[must_use]
pub fn metrics_text() -> String {
    RECORDER
        .get()
        .map(|recorder| {
            recorder.run_upkeep();
            recorder.render()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unlike_and_what_is_counted_is_shown() {
        let mut names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
        install_recorder();
        increment(Metric::LoginsFailed, &[]);
        increment(Metric::MessagesIgnored, &[("reason", "unknown")]);
        let text = metrics_text();
        assert!(text.contains("gangway_logins_failed_total 1"), "{text}");
        assert!(text.contains(r#"gangway_messages_ignored_total{reason="unknown"} 1"#), "{text}");
    }
}
