//! Table `account`: the user accounts of the phones.

use std::ops::RangeInclusive;

use gangway_base::secret::Secret;
use sqlx::SqliteConnection;

use super::{
    codec::{FacetColumns, ms, ms_opt, small, time_opt, unknown},
    error_context::ErrorContext,
};
use crate::{
    phone::record::{Account, Flags, Gone, Orphaned, PhoneId},
    store::{
        api::error::StoreError,
        sealing::{keyring::Keyring, secret_blob::SecretBlob},
    },
};

/// A row as stored.
pub(in crate::store) struct AccountRow {
    pub(in crate::store) phone_id: i64,
    line: i64,
    hwid: String,
    user_guid: Option<String>,
    username: String,
    cn: String,
    device_name: Option<String>,
    secrets: Vec<u8>,
    has_no_password: i64,
    domain: String,
    dns: String,
    flag_media_relay: Option<i64>,
    flag_tls_only: Option<i64>,
    flag_reverse_proxy: Option<i64>,
    flags_provisioning: i64,
    registered_address: Option<String>,
    provisioning: i64,
    orphaned: Option<i64>,
    orphaned_by: Option<String>,
    withheld: Option<i64>,
    user_object_state: String,
    user_object_since: i64,
    user_object_error: Option<String>,
    user_object_next: Option<i64>,
    user_object_attempts: i64,
    registration_state: String,
    registration_since: i64,
    registration_error: Option<String>,
    registration_next: Option<i64>,
    registration_attempts: i64,
}

/// The accounts of the phones in this id range, ordered by phone and line.
pub(in crate::store) async fn read(
    connection: &mut SqliteConnection,
    phones: &RangeInclusive<i64>,
) -> Result<Vec<AccountRow>, StoreError> {
    let (first, last) = (phones.start(), phones.end());
    sqlx::query_as!(
        AccountRow,
        "SELECT phone_id, line, hwid, user_guid, username, cn, device_name, secrets, has_no_password, domain, dns,
            flag_media_relay, flag_tls_only, flag_reverse_proxy, flags_provisioning, registered_address, provisioning, orphaned,
            orphaned_by, withheld,
            user_object_state, user_object_since, user_object_error, user_object_next, user_object_attempts,
            registration_state, registration_since, registration_error, registration_next, registration_attempts
        FROM account WHERE phone_id BETWEEN ? AND ? ORDER BY phone_id, line",
        first,
        last
    )
    .fetch_all(connection)
    .await
    .attempt("read the accounts")
}

fn place(phone: i64, line: i64) -> String {
    format!("account/{phone}/{line}")
}

impl AccountRow {
    pub(in crate::store) fn into_account(self, keyring: &Keyring) -> Result<Account, StoreError> {
        let place = place(self.phone_id, self.line);
        let bytes = keyring.unseal(&place, &self.secrets)?;
        let pairs = SecretBlob::read(&bytes).ok_or_else(|| StoreError::Unsealing { place: place.clone() })?;
        let password = pairs.iter().find(|(name, _)| *name == "password").map(|(_, text)| Secret::new(*text));
        let flags_written = match (self.flag_media_relay, self.flag_tls_only, self.flag_reverse_proxy) {
            (Some(media_relay), Some(tls_only), Some(reverse_proxy)) => Some(Flags {
                media_relay: media_relay != 0,
                tls_only: tls_only != 0,
                reverse_proxy: reverse_proxy != 0,
            }),
            _ => None,
        };
        let gone = self
            .orphaned_by
            .as_deref()
            .map(|stored| Gone::parse(stored).ok_or_else(|| unknown(&place, "orphaned_by", stored)));
        let orphaned = time_opt(self.orphaned).zip(gone.transpose()?).map(|(since, gone)| Orphaned { since, gone });
        Ok(Account {
            line: small(self.line),
            hwid: self.hwid,
            user_guid: self.user_guid,
            username: self.username,
            cn: self.cn,
            device_name: self.device_name,
            password: password.unwrap_or_default(),
            has_no_password: self.has_no_password != 0,
            domain: self.domain,
            dns: self.dns,
            user_object: FacetColumns {
                state: self.user_object_state,
                since: self.user_object_since,
                error: self.user_object_error,
                next: self.user_object_next,
                attempts: self.user_object_attempts,
            }
            .read(&place, "user_object_state")?,
            flags_written,
            flags_provisioning: small(self.flags_provisioning),
            registration: FacetColumns {
                state: self.registration_state,
                since: self.registration_since,
                error: self.registration_error,
                next: self.registration_next,
                attempts: self.registration_attempts,
            }
            .read(&place, "registration_state")?,
            registered_address: self.registered_address,
            provisioning: small(self.provisioning),
            orphaned,
            withheld: time_opt(self.withheld),
        })
    }
}

/// Updates the rows of one phone from `before` to `after`. Only lines that changed are written.
pub(in crate::store) async fn write(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    phone: PhoneId,
    before: &[Account],
    after: &[Account],
) -> Result<(), StoreError> {
    for gone in before.iter().filter(|old| !after.iter().any(|new| new.line == old.line)) {
        let line = i64::from(gone.line);
        sqlx::query!("DELETE FROM account WHERE phone_id = ? AND line = ?", phone.0, line)
            .execute(&mut *connection)
            .await
            .attempt("remove the account")?;
    }
    for account in after.iter().filter(|new| !before.contains(new)) {
        write_one(connection, keyring, phone, account).await?;
    }
    Ok(())
}

async fn write_one(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    phone: PhoneId,
    account: &Account,
) -> Result<(), StoreError> {
    let line = i64::from(account.line);
    let bundle = SecretBlob::default().with("password", Some(account.password.expose()));
    let secrets = keyring.seal(&place(phone.0, line), bundle.bytes())?;
    let flags = account.flags_written;
    let media_relay = flags.map(|flags| i64::from(flags.media_relay));
    let tls_only = flags.map(|flags| i64::from(flags.tls_only));
    let reverse_proxy = flags.map(|flags| i64::from(flags.reverse_proxy));
    let orphaned = ms_opt(account.orphaned.map(|orphaned| orphaned.since));
    let orphaned_by = account.orphaned.map(|orphaned| orphaned.gone.as_str());
    let withheld = ms_opt(account.withheld);
    let (user_object, registration) = (&account.user_object, &account.registration);
    let states = [user_object.state.as_str(), registration.state.as_str()];
    let since = [user_object.since, registration.since].map(ms);
    let next = [user_object.next_attempt, registration.next_attempt].map(ms_opt);
    sqlx::query!(
        "INSERT INTO account (phone_id, line, hwid, user_guid, username, cn, device_name, secrets,
            has_no_password, domain, dns, flag_media_relay, flag_tls_only, flag_reverse_proxy, flags_provisioning, registered_address, provisioning, orphaned,
            orphaned_by, withheld,
            user_object_state, user_object_since, user_object_error, user_object_next, user_object_attempts,
            registration_state, registration_since, registration_error, registration_next, registration_attempts)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (phone_id, line) DO UPDATE SET
            hwid = excluded.hwid, user_guid = excluded.user_guid, username = excluded.username, cn = excluded.cn,
            device_name = excluded.device_name, secrets = excluded.secrets, has_no_password = excluded.has_no_password, domain = excluded.domain, dns = excluded.dns,
            flag_media_relay = excluded.flag_media_relay, flag_tls_only = excluded.flag_tls_only,
            flag_reverse_proxy = excluded.flag_reverse_proxy, flags_provisioning = excluded.flags_provisioning,
            registered_address = excluded.registered_address, provisioning = excluded.provisioning,
            orphaned = excluded.orphaned, orphaned_by = excluded.orphaned_by, withheld = excluded.withheld,
            user_object_state = excluded.user_object_state, user_object_since = excluded.user_object_since,
            user_object_error = excluded.user_object_error, user_object_next = excluded.user_object_next,
            user_object_attempts = excluded.user_object_attempts,
            registration_state = excluded.registration_state, registration_since = excluded.registration_since,
            registration_error = excluded.registration_error, registration_next = excluded.registration_next,
            registration_attempts = excluded.registration_attempts",
        phone.0,
        line,
        account.hwid,
        account.user_guid,
        account.username,
        account.cn,
        account.device_name,
        secrets,
        account.has_no_password,
        account.domain,
        account.dns,
        media_relay,
        tls_only,
        reverse_proxy,
        account.flags_provisioning,
        account.registered_address,
        account.provisioning,
        orphaned,
        orphaned_by,
        withheld,
        states[0],
        since[0],
        user_object.error,
        next[0],
        user_object.attempts,
        states[1],
        since[1],
        registration.error,
        next[1],
        registration.attempts
    )
    .execute(connection)
    .await
    .attempt("write the account")?;
    Ok(())
}
