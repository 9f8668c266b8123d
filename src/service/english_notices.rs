//! The English texts of notices.

/// The texts by key.
pub const NOTICES: &[(&str, &str)] = &[
    (
        "notice.pbx-away",
        "No PBX is connected: check that the app objects exist, that their URL points here and that the flag Websocket is ticked.",
    ),
    (
        "notice.passive",
        "This gateway is passive since it was restored from a backup of {made}: it answers no phone and writes nowhere. Stop \
         the other gateway for good, then start this one with gangway serve --take-over.",
    ),
    ("notice.database", "The database: {reason}"),
    (
        "notice.database-lost",
        "Another file was put in the place of the database, or its files were removed. Phones are served from memory, no \
         change is taken. Everything committed until then is in {copy}. /readyz and the log say what to do.",
    ),
    (
        "notice.database-mended",
        "The files of the database were removed or damaged while gangway ran. Nothing was lost: the copy {copy} took their \
         place; what was left of them is in {aside}. Find out who did it.",
    ),
    (
        "notice.database-remembered",
        "The file of the database was truncated while gangway ran and could not be read any more. The copy {copy} took its \
         place: phones, settings and tokens are whole, time lines, histories and the audit are those of the copy before. What \
         was left is in {aside}. Find out who did it.",
    ),
    ("notice.devices-away", "Devices at {url} cannot be reached: {error}"),
    (
        "notice.devices-not-announced",
        "The PBX announces no Devices app: tick the Devices API in the Apps tab of the app object.",
    ),
    (
        "notice.missing-grant",
        "The app object {object} at the PBX {pbx} lacks the flag {flag}: tick it in the PBX Manager.",
    ),
    ("notice.redirect-away", "The redirect service of {vendor} is away for {phones} phones: {error}"),
    (
        "notice.redirect-demo",
        "{account} is an account {vendor} lends out for trying its redirect service: everybody who has it can redirect these phones. Use one of your own; it comes from the distributor.",
    ),
    (
        "notice.redirect-unconfigured",
        "There is no account at the redirect service of {vendor}: phones out of their box do not find gangway by themselves. The account comes from the distributor.",
    ),
    ("notice.certificate-expiry", "The certificate {subject} expires at {until}: phones refuse gangway from then on."),
    (
        "notice.certificate-unreadable",
        "The certificate {file} cannot be read, so nobody is warned before it expires: {error}",
    ),
    (
        "notice.url-conflict",
        "App objects of the provider {provider} name different URLs: {urls}. No phone is moved until they agree.",
    ),
    (
        "notice.clear-text",
        "Phones of {vendor} fetch their configuration by plain HTTP: passwords travel readable over the network.",
    ),
    (
        "notice.scanning",
        "From {address} one MAC address after the other is tried. Until {until} phones behind it are let in by their own credentials, their redirect URL or a certificate only: find out who asks there. If these are phones of yours, thaw the address; allowing a phone lets it in as well.",
    ),
    (
        "notice.unlisted-proxy",
        "Phones come through {address}, which names them in {header} and is not in [net] trusted_proxies: windows and admin_from take all of them for one device. Add {address} to trusted_proxies only if it is your own reverse proxy: a listed proxy can name any client address, also one of admin_from.",
    ),
    (
        "notice.proxy-header",
        "The proxy {address} of [net] trusted_proxies names its clients in {header}, which is not [net] client_address_header: limits, windows and admin_from take all of them for the proxy. Set client_address_header to {header} only if the proxy itself writes this header and no client can: its writer can name any client address.",
    ),
    (
        "notice.login-refused",
        "A login with the right password was turned away at {last}: app {app}, name {sip}, domain {domain}, {kind}, from {address}. {reason}",
    ),
    ("login.pbx-session", "session of a PBX"),
    ("login.service-login", "login of a service"),
    ("login.user-login", "login of a user"),
    ("login.password-login", "login by password"),
    ("login.other", "login of no known kind"),
    ("notice.scanning-more", "{sources} more addresses try one MAC address after the other; the log names them."),
    (
        "notice.sip-trust",
        "{address} asks phones for a certificate and does not trust the CA of {vendor}: these phones get their configuration and cannot register. Add {issuers} to the trust list of the PBX or reverse proxy; one of them is enough.",
    ),
    (
        "notice.descriptors",
        "The limit of file descriptors is {limit}, and {need} are needed for {phones} phones: {sysclients} phones at most are connected with Devices at once, the others wait. Raise LimitNOFILE= in the systemd unit (or `ulimit -Hn`) and restart gangway.",
    ),
    ("notice.media-relay", "{phones} phones have their media relayed by the PBX: check that it has the capacity."),
];
