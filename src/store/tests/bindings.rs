//! The address that a phone's own secret was set for is stored with it.

use super::*;
use crate::settings::{Defaults, Lookup};

const OWN: &str = "805ec0123456";

async fn set(fixture: &Fixture, scope: &str, changes: &[(&str, Option<&str>)]) -> usize {
    let changes: Vec<_> = changes.iter().map(|(name, value)| ((*name).to_owned(), value.map(Secret::new))).collect();
    fixture.store.settings().set(fixture.instance, &scope.parse().unwrap(), &changes).await.unwrap().len()
}

/// The password and server given to the phone, checked in this process and in another one.
async fn given(fixture: &Fixture, id: PhoneId) -> (String, String) {
    let of = |store: &Store| {
        let phone = store.phones().get(id).unwrap();
        let lookup = Lookup::of(&phone, Defaults::Table);
        let settings =
            store.settings().layers(fixture.instance).effective_of(&["ldap_password", "ldap_server"], &lookup, None);
        (settings.text("ldap_password").to_owned(), settings.text("ldap_server").to_owned())
    };
    let own = of(&fixture.store);
    assert_eq!(of(&fixture.again().await), own);
    own
}

fn pair(password: &str, server: &str) -> (String, String) {
    (password.to_owned(), server.to_owned())
}

#[tokio::test]
async fn a_phones_secret_is_withheld_from_another_address_until_it_is_set_again() {
    let fixture = Fixture::new().await;
    let id = fixture.store.phones().create(fixture.phone(OWN), Vec::new()).await.unwrap().id;
    let own = format!("phone:{OWN}");
    set(&fixture, "instance", &[("ldap_server", Some("ldap.example.com"))]).await;
    set(&fixture, &own, &[("ldap_password", Some("p"))]).await;
    assert_eq!(set(&fixture, "model:yealink/T46U", &[("ldap_server", Some("evil.example"))]).await, 0);
    assert_eq!(given(&fixture, id).await, pair("p", "ldap.example.com"));
    let revision = fixture.store.settings().layers(fixture.instance).revision();
    set(&fixture, &own, &[("ldap_password", Some("p"))]).await;
    assert_eq!(fixture.store.settings().layers(fixture.instance).revision(), revision, "all of it is set already");

    fixture.store.phones().change(id, |phone, _| phone.model = Some("T46U".into())).await.unwrap();
    assert_eq!(given(&fixture, id).await, pair("", "evil.example"));
    // Changing the model or category restores the password or removes it again.
    fixture.store.phones().change(id, |phone, _| phone.model = Some("T54W".into())).await.unwrap();
    assert_eq!(given(&fixture, id).await, pair("p", "ldap.example.com"));
    assert_eq!(set(&fixture, "category:Lab", &[("ldap_server", Some("evil.example"))]).await, 0);
    fixture.store.phones().change(id, |phone, _| phone.category = Some("Lab".into())).await.unwrap();
    assert_eq!(given(&fixture, id).await, pair("", "evil.example"));

    // Setting the same text again binds it to the current address.
    set(&fixture, &own, &[("ldap_password", Some("p"))]).await;
    assert_eq!(given(&fixture, id).await, pair("p", "evil.example"));
    fixture.store.phones().change(id, |phone, _| phone.category = None).await.unwrap();
    assert_eq!(given(&fixture, id).await, pair("", "ldap.example.com"));

    // Removing the secret also removes its binding.
    set(&fixture, &own, &[("ldap_password", None)]).await;
    assert_eq!(stored(&fixture).await, 0);
}

#[tokio::test]
async fn a_secret_without_a_binding_gets_the_one_that_holds_before_the_next_change() {
    let fixture = Fixture::new().await;
    let id = fixture.store.phones().create(fixture.phone(OWN), Vec::new()).await.unwrap().id;
    set(&fixture, "instance", &[("ldap_server", Some("ldap.example.com"))]).await;
    set(&fixture, &format!("phone:{OWN}"), &[("ldap_password", Some("p"))]).await;
    sqlx::query("DELETE FROM setting WHERE name LIKE '%@address'")
        .execute(&mut *fixture.store.database.inner.writer.hold().await)
        .await
        .unwrap();
    assert_eq!(stored(&fixture).await, 0);

    set(&fixture, "model:yealink/T46U", &[("ldap_server", Some("evil.example"))]).await;

    assert_eq!((stored(&fixture).await, given(&fixture, id).await), (1, pair("p", "ldap.example.com")));
    fixture.store.phones().change(id, |phone, _| phone.model = Some("T46U".into())).await.unwrap();
    assert_eq!(given(&fixture, id).await, pair("", "evil.example"));
}

async fn stored(fixture: &Fixture) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM setting WHERE name LIKE '%@address'")
        .fetch_one(&mut *fixture.store.database.inner.writer.hold().await)
        .await
        .unwrap()
}
