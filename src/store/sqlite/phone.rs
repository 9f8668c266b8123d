//! Table `phone`: one row per device, with its secrets sealed as one value.

use std::ops::RangeInclusive;

use gangway_base::{mac::Mac, secret::Secret};
use sqlx::SqliteConnection;

use super::{
    codec::{FacetColumns, ms, ms_opt, signed, small, time, time_opt, unknown, unsigned},
    error_context::ErrorContext,
};
use crate::{
    phone::{
        facet::Wanted,
        instance::InstanceId,
        record::{
            BootstrapWindow, CodeOrigin, Credentials, Delivery, DeviceConfig, FirstContact, Phone, PhoneId,
            RedirectEntry, SysclientState, WindowBinding,
        },
    },
    store::{
        api::error::StoreError,
        memory::phone_cache::{Extent, TokenIndex},
        sealing::{keyring::Keyring, secret_blob::SecretBlob},
    },
};

/// A row as stored.
pub(in crate::store) struct PhoneRow {
    pub(in crate::store) id: i64,
    instance_id: i64,
    mac: String,
    pub(in crate::store) change: i64,
    provider: String,
    vendor: String,
    model: Option<String>,
    firmware: Option<String>,
    devices_domain: Option<String>,
    category: Option<String>,
    code_made_at: Option<String>,
    code_valid_until: Option<i64>,
    code_refused_at: String,
    wanted: String,
    buried: Option<i64>,
    created: i64,
    provisioning: i64,
    revision: i64,
    secrets: Vec<u8>,
    bootstrap_user: Option<String>,
    bootstrap_proven: Option<i64>,
    own_user: String,
    own_proven: Option<i64>,
    window_opened: Option<i64>,
    window_until: Option<i64>,
    window_first_delivery: Option<i64>,
    window_source: Option<String>,
    window_family: Option<String>,
    window_closed: Option<i64>,
    window_first_contact: Option<String>,
    sysclient_url: Option<String>,
    sysclient_product: String,
    sysclient_version: String,
    sysclient_name: String,
    config_received: Option<i64>,
    redirect_server_name: Option<String>,
    redirect_at: Option<i64>,
    delivery_at: Option<i64>,
    delivery_revision: Option<i64>,
    delivery_provisioning: Option<i64>,
    delivery_etag: Option<String>,
    devices_state: String,
    devices_since: i64,
    devices_error: Option<String>,
    devices_next: Option<i64>,
    devices_attempts: i64,
    redirect_state: String,
    redirect_since: i64,
    redirect_error: Option<String>,
    redirect_next: Option<i64>,
    redirect_attempts: i64,
    request_state: String,
    request_since: i64,
    request_error: Option<String>,
    request_next: Option<i64>,
    request_attempts: i64,
}

/// The rows in this id range, ordered by id.
pub(in crate::store) async fn read(
    connection: &mut SqliteConnection,
    ids: &RangeInclusive<i64>,
) -> Result<Vec<PhoneRow>, StoreError> {
    let (first, last) = (ids.start(), ids.end());
    sqlx::query_as!(
        PhoneRow,
        r#"SELECT id AS "id!", instance_id, mac, change, provider, vendor, model, firmware, devices_domain,
            category, code_made_at, code_valid_until, code_refused_at, wanted, buried, created, provisioning, revision, secrets, bootstrap_user, bootstrap_proven, own_user, own_proven,
            window_opened, window_until, window_first_delivery, window_source, window_family, window_closed,
            window_first_contact, sysclient_url, sysclient_product, sysclient_version, sysclient_name,
            config_received, redirect_server_name, redirect_at, delivery_at, delivery_revision, delivery_provisioning,
            delivery_etag, devices_state, devices_since, devices_error, devices_next, devices_attempts,
            redirect_state, redirect_since, redirect_error, redirect_next, redirect_attempts,
            request_state, request_since, request_error, request_next, request_attempts
        FROM phone WHERE id BETWEEN ? AND ? ORDER BY id"#,
        first,
        last
    )
    .fetch_all(connection)
    .await
    .attempt("read the phones")
}

/// The context that a phone's secrets are sealed to. It uses instance and MAC because the id is not known before the
/// first insert.
fn place(instance: i64, mac: &str) -> String {
    format!("phone/{instance}/{mac}")
}

#[derive(Default)]
struct Secrets {
    code: Option<Secret>,
    token: Secret,
    bootstrap: Secret,
    own: Secret,
    former: Option<Secret>,
    sysclient: Option<Secret>,
    spent: Vec<Secret>,
    admin: Option<Secret>,
    redirect_url: Option<Secret>,
}

impl Secrets {
    fn bundle(phone: &Phone) -> SecretBlob {
        let fixed = SecretBlob::default()
            .with("code", phone.code.as_ref().map(Secret::expose))
            .with("token", Some(phone.token.expose()))
            .with("bootstrap", phone.bootstrap.as_ref().map(|c| c.password.expose()))
            .with("own", Some(phone.own.password.expose()))
            .with("former", phone.former.as_ref().map(Secret::expose))
            .with("sysclient", phone.sysclient.password.as_ref().map(Secret::expose))
            .with("admin", phone.device_config.admin_password.as_ref().map(Secret::expose))
            .with("redirect-url", phone.redirect_entry.as_ref().map(|entry| entry.url.expose()));
        phone.sysclient.spent.iter().fold(fixed, |bundle, code| bundle.with("spent", Some(code.expose())))
    }

    fn open(keyring: &Keyring, place: &str, sealed: &[u8]) -> Result<Self, StoreError> {
        let bytes = keyring.unseal(place, sealed)?;
        let mut secrets = Self::default();
        let damaged = || StoreError::Unsealing { place: place.to_owned() };
        for (name, text) in SecretBlob::read(&bytes).ok_or_else(damaged)? {
            let secret = Secret::new(text);
            match name {
                "code" => secrets.code = Some(secret),
                "token" => secrets.token = secret,
                "bootstrap" => secrets.bootstrap = secret,
                "own" => secrets.own = secret,
                "former" => secrets.former = Some(secret),
                "sysclient" => secrets.sysclient = Some(secret),
                "spent" => secrets.spent.push(secret),
                "admin" => secrets.admin = Some(secret),
                "redirect-url" => secrets.redirect_url = Some(secret),
                // Written by a later version with the same schema.
                _ => {}
            }
        }
        Ok(secrets)
    }
}

impl PhoneRow {
    /// The record without accounts and device configuration, which have separate tables.
    pub(in crate::store) fn into_phone(self, keyring: &Keyring) -> Result<Phone, StoreError> {
        let place = place(self.instance_id, &self.mac);
        let secrets = Secrets::open(keyring, &place, &self.secrets)?;
        let bad = |column: &str, value: &str| unknown(&place, column, value);
        let first_contact = match self.window_first_contact.as_deref() {
            None => FirstContact::Refused,
            Some("any") => FirstContact::Allowed(None),
            Some(text) => {
                FirstContact::Allowed(Some(text.parse().map_err(|_error| bad("window_first_contact", text))?))
            }
        };
        let bound = match (&self.window_source, self.window_family) {
            (Some(source), Some(family)) => {
                Some(WindowBinding { source: source.parse().map_err(|_error| bad("window_source", source))?, family })
            }
            _ => None,
        };
        let facet = |state, since, error, next, attempts| FacetColumns { state, since, error, next, attempts };
        Ok(Phone {
            id: PhoneId(self.id),
            instance: InstanceId(self.instance_id),
            mac: Mac::from_hex(&self.mac).ok_or_else(|| bad("mac", &self.mac))?,
            provider: self.provider,
            vendor: self.vendor,
            model: self.model,
            firmware: self.firmware,
            devices_domain: self.devices_domain,
            category: self.category,
            wanted: Wanted::parse(&self.wanted).ok_or_else(|| bad("wanted", &self.wanted))?,
            removed_at: time_opt(self.buried),
            created: time(self.created),
            provisioning: small(self.provisioning),
            code: secrets.code,
            code_origin: CodeOrigin {
                made_at: self.code_made_at,
                valid_until: time_opt(self.code_valid_until),
                refused_at: self.code_refused_at.lines().map(str::to_owned).collect(),
            },
            token: secrets.token,
            bootstrap: self.bootstrap_user.map(|user| Credentials {
                user,
                password: secrets.bootstrap,
                proven: time_opt(self.bootstrap_proven),
            }),
            own: Credentials { user: self.own_user, password: secrets.own, proven: time_opt(self.own_proven) },
            former: secrets.former,
            window: BootstrapWindow {
                opened: time_opt(self.window_opened),
                until: time_opt(self.window_until),
                first_delivery: time_opt(self.window_first_delivery),
                bound,
                closed: time_opt(self.window_closed),
                first_contact,
            },
            sysclient: SysclientState {
                url: self.sysclient_url,
                password: secrets.sysclient,
                product: self.sysclient_product,
                version: self.sysclient_version,
                name: self.sysclient_name,
                spent: secrets.spent.into_iter().collect(),
            },
            device_config: DeviceConfig {
                admin_password: secrets.admin,
                received: time_opt(self.config_received),
                ..DeviceConfig::default()
            },
            redirect_entry: secrets.redirect_url.zip(self.redirect_at).map(|(url, at)| RedirectEntry {
                url,
                server_name: self.redirect_server_name,
                at: time(at),
            }),
            delivery: self.delivery_at.map(|at| Delivery {
                at: time(at),
                revision: unsigned(self.delivery_revision.unwrap_or_default()),
                provisioning: small(self.delivery_provisioning.unwrap_or_default()),
                etag: self.delivery_etag.unwrap_or_default(),
            }),
            revision: unsigned(self.revision),
            devices: facet(
                self.devices_state,
                self.devices_since,
                self.devices_error,
                self.devices_next,
                self.devices_attempts,
            )
            .read(&place, "devices_state")?,
            redirect: facet(
                self.redirect_state,
                self.redirect_since,
                self.redirect_error,
                self.redirect_next,
                self.redirect_attempts,
            )
            .read(&place, "redirect_state")?,
            request: facet(
                self.request_state,
                self.request_since,
                self.request_error,
                self.request_next,
                self.request_attempts,
            )
            .read(&place, "request_state")?,
            accounts: Vec::new(),
        })
    }
}

/// Inserts (id 0) or updates the row. Returns its id.
pub(in crate::store) async fn write(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    tokens: &TokenIndex,
    phone: &Phone,
    change: i64,
) -> Result<PhoneId, StoreError> {
    let id = (phone.id.0 != 0).then_some(phone.id.0);
    let mac = phone.mac.to_string();
    let secrets = keyring.seal(&place(phone.instance.0, &mac), Secrets::bundle(phone).bytes())?;
    let token_index = tokens.of(phone.token.expose()).to_vec();
    let code_valid_until = ms_opt(phone.code_origin.valid_until);
    // A URL contains no line break.
    let code_refused_at = phone.code_origin.refused_at.join("\n");
    let wanted = phone.wanted.as_str();
    let (buried, created) = (ms_opt(phone.removed_at), ms(phone.created));
    let (provisioning, revision) = (i64::from(phone.provisioning), signed(phone.revision));
    let bootstrap_user = phone.bootstrap.as_ref().map(|credentials| &credentials.user);
    let bootstrap_proven = ms_opt(phone.bootstrap.as_ref().and_then(|credentials| credentials.proven));
    let own_proven = ms_opt(phone.own.proven);
    let window = &phone.window;
    let (opened, until, closed) = (ms_opt(window.opened), ms_opt(window.until), ms_opt(window.closed));
    let first_delivery = ms_opt(window.first_delivery);
    let first_contact = match window.first_contact {
        FirstContact::Refused => None,
        FirstContact::Allowed(None) => Some("any".to_owned()),
        FirstContact::Allowed(Some(network)) => Some(network.to_string()),
    };
    let source = window.bound.as_ref().map(|bound| bound.source.to_string());
    let family = window.bound.as_ref().map(|bound| &bound.family);
    let config_received = ms_opt(phone.device_config.received);
    let server_name = phone.redirect_entry.as_ref().and_then(|entry| entry.server_name.as_ref());
    let redirect_at = phone.redirect_entry.as_ref().map(|entry| ms(entry.at));
    let delivery = phone.delivery.as_ref();
    let delivery_at = delivery.map(|delivery| ms(delivery.at));
    let delivery_revision = delivery.map(|delivery| signed(delivery.revision));
    let delivery_provisioning = delivery.map(|delivery| i64::from(delivery.provisioning));
    let delivery_etag = delivery.map(|delivery| &delivery.etag);
    let (devices, redirect, request) = (&phone.devices, &phone.redirect, &phone.request);
    let states = [devices.state.as_str(), redirect.state.as_str(), request.state.as_str()];
    let since = [devices.since, redirect.since, request.since].map(ms);
    let next = [devices.next_attempt, redirect.next_attempt, request.next_attempt].map(ms_opt);
    let row = sqlx::query!(
        r#"INSERT INTO phone (id, instance_id, mac, change, provider, vendor, model, firmware, devices_domain,
            category, code_made_at, code_valid_until, code_refused_at, wanted, buried, created, provisioning, revision, token_index, secrets, bootstrap_user, bootstrap_proven, own_user,
            own_proven, window_opened, window_until, window_first_delivery, window_source, window_family,
            window_closed, window_first_contact, sysclient_url, sysclient_product, sysclient_version, sysclient_name,
            config_received, redirect_server_name, redirect_at, delivery_at, delivery_revision, delivery_provisioning, delivery_etag,
            devices_state, devices_since, devices_error, devices_next, devices_attempts,
            redirect_state, redirect_since, redirect_error, redirect_next, redirect_attempts,
            request_state, request_since, request_error, request_next, request_attempts)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
            ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET
            change = excluded.change, provider = excluded.provider, vendor = excluded.vendor, model = excluded.model,
            firmware = excluded.firmware, devices_domain = excluded.devices_domain, category = excluded.category,
            code_made_at = excluded.code_made_at, code_valid_until = excluded.code_valid_until,
            code_refused_at = excluded.code_refused_at, wanted = excluded.wanted,
            buried = excluded.buried, created = excluded.created, provisioning = excluded.provisioning,
            revision = excluded.revision, token_index = excluded.token_index, secrets = excluded.secrets,
            bootstrap_user = excluded.bootstrap_user, bootstrap_proven = excluded.bootstrap_proven,
            own_user = excluded.own_user, own_proven = excluded.own_proven, window_opened = excluded.window_opened,
            window_until = excluded.window_until, window_first_delivery = excluded.window_first_delivery,
            window_source = excluded.window_source, window_family = excluded.window_family,
            window_closed = excluded.window_closed, window_first_contact = excluded.window_first_contact,
            sysclient_url = excluded.sysclient_url,
            sysclient_product = excluded.sysclient_product, sysclient_version = excluded.sysclient_version,
            sysclient_name = excluded.sysclient_name,
            config_received = excluded.config_received, redirect_server_name = excluded.redirect_server_name,
            redirect_at = excluded.redirect_at, delivery_at = excluded.delivery_at,
            delivery_revision = excluded.delivery_revision, delivery_provisioning = excluded.delivery_provisioning,
            delivery_etag = excluded.delivery_etag,
            devices_state = excluded.devices_state, devices_since = excluded.devices_since,
            devices_error = excluded.devices_error, devices_next = excluded.devices_next,
            devices_attempts = excluded.devices_attempts,
            redirect_state = excluded.redirect_state, redirect_since = excluded.redirect_since,
            redirect_error = excluded.redirect_error, redirect_next = excluded.redirect_next,
            redirect_attempts = excluded.redirect_attempts,
            request_state = excluded.request_state, request_since = excluded.request_since,
            request_error = excluded.request_error, request_next = excluded.request_next,
            request_attempts = excluded.request_attempts
        RETURNING id AS "id!""#,
        id,
        phone.instance.0,
        mac,
        change,
        phone.provider,
        phone.vendor,
        phone.model,
        phone.firmware,
        phone.devices_domain,
        phone.category,
        phone.code_origin.made_at,
        code_valid_until,
        code_refused_at,
        wanted,
        buried,
        created,
        provisioning,
        revision,
        token_index,
        secrets,
        bootstrap_user,
        bootstrap_proven,
        phone.own.user,
        own_proven,
        opened,
        until,
        first_delivery,
        source,
        family,
        closed,
        first_contact,
        phone.sysclient.url,
        phone.sysclient.product,
        phone.sysclient.version,
        phone.sysclient.name,
        config_received,
        server_name,
        redirect_at,
        delivery_at,
        delivery_revision,
        delivery_provisioning,
        delivery_etag,
        states[0],
        since[0],
        devices.error,
        next[0],
        devices.attempts,
        states[1],
        since[1],
        redirect.error,
        next[1],
        redirect.attempts,
        states[2],
        since[2],
        request.error,
        next[2],
        request.attempts
    )
    .fetch_one(connection)
    .await
    .attempt("write the phone")?;
    Ok(PhoneId(row.id))
}

/// The change counter of the row; `None` when there is no such phone.
pub(in crate::store) async fn change_of(
    connection: &mut SqliteConnection,
    id: PhoneId,
) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar!("SELECT change FROM phone WHERE id = ?", id.0)
        .fetch_optional(connection)
        .await
        .attempt("look at the phone")
}

/// Whether the MAC already exists in this instance.
pub(in crate::store) async fn exists(
    connection: &mut SqliteConnection,
    instance: InstanceId,
    mac: Mac,
) -> Result<bool, StoreError> {
    let mac = mac.to_string();
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM phone WHERE instance_id = ? AND mac = ?) AS "found!: bool""#,
        instance.0,
        mac
    )
    .fetch_one(connection)
    .await
    .attempt("look for the phone")?;
    Ok(found)
}

/// Phones written after `seen`, with their counters, in the order they were written.
pub(in crate::store) async fn changed_since(
    connection: &mut SqliteConnection,
    seen: i64,
) -> Result<Vec<(PhoneId, i64)>, StoreError> {
    let rows = sqlx::query!(r#"SELECT id AS "id!", change FROM phone WHERE change > ? ORDER BY change"#, seen)
        .fetch_all(connection)
        .await
        .attempt("look for changed phones")?;
    Ok(rows.into_iter().map(|row| (PhoneId(row.id), row.change)).collect())
}

/// Takes the next value of the change counter.
pub(in crate::store) async fn next_change(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    next_changes(connection, 1).await
}

/// Takes the next `count` values of the change counter. Returns the last one.
pub(in crate::store) async fn next_changes(connection: &mut SqliteConnection, count: i64) -> Result<i64, StoreError> {
    sqlx::query_scalar!("UPDATE sequence SET phone = phone + ? WHERE id = 1 RETURNING phone", count)
        .fetch_one(connection)
        .await
        .attempt("count the change")
}

/// The number of phones and of their changes as the connection sees them.
pub(in crate::store) async fn extent(connection: &mut SqliteConnection) -> Result<Extent, StoreError> {
    // Do not use the index on `change`: its pages may be older or newer than those of the table.
    let (phones, changes, newest) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(change), 0), (SELECT phone FROM sequence) FROM phone NOT INDEXED",
    )
    .fetch_one(connection)
    .await
    .attempt("look into the database")?;
    Ok(Extent { phones, newest, changes })
}
