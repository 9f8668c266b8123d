//! Delivered files, hourly activity, and the times of setting changes.

use super::*;

fn delivered(phone: PhoneId, name: &str, at: Timestamp, body: &str) -> DeliveredFile {
    DeliveredFile { phone, name: name.into(), at, etag: tag(body), body: body.to_owned().into() }
}

fn tag(body: &str) -> String {
    format!("\"{}\"", body.len())
}

async fn held(store: &Store, phone: PhoneId) -> Option<(String, String, String)> {
    let file = store.deliveries().last(phone).await.unwrap()?;
    Some((file.name, file.etag, String::from_utf8(file.body.to_vec()).unwrap()))
}

fn told(name: &str, body: &str) -> Option<(String, String, String)> {
    Some((name.to_owned(), tag(body), body.to_owned()))
}

#[tokio::test]
async fn the_file_fetched_last_is_kept_sealed_and_goes_with_the_phone() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let later = |seconds| now() + jiff::SignedDuration::from_secs(seconds);
    let keep = |name, seconds, body| fixture.store.deliveries().note(delivered(phone.id, name, later(seconds), body));

    keep("a.cfg", 1, "first-secret");
    assert_eq!(held(&fixture.store, phone.id).await, told("a.cfg", "first-secret"), "known before it is written");
    fixture.store.deliveries().flush().await.unwrap();
    assert_eq!(held(&fixture.again().await, phone.id).await, told("a.cfg", "first-secret"));
    for (place, name) in ["a.cfg", "b.cfg", "c.cfg"].into_iter().enumerate() {
        keep(name, 2 + i64::try_from(place).unwrap(), "second-secret");
        fixture.store.deliveries().flush().await.unwrap();
    }
    assert_eq!(held(&fixture.again().await, phone.id).await, told("c.cfg", "second-secret"));
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM delivered_file")
        .fetch_one(&fixture.store.database.readers().unwrap())
        .await
        .unwrap();
    assert_eq!(rows, 2, "the newest names only");
    for entry in fs::read_dir(fixture.dir.path()).unwrap() {
        assert!(!contains(&fs::read(entry.unwrap().path()).unwrap(), "-secret"));
    }

    fixture.store.phones().change(phone.id, |phone, _| phone.removed_at = Some(now())).await.unwrap();
    assert_eq!(held(&fixture.store, phone.id).await, None);
    keep("d.cfg", 9, "late");
    fixture.store.deliveries().flush().await.unwrap();
    assert_eq!(held(&fixture.again().await, phone.id).await, None, "nothing comes back to a removed phone");
}

#[tokio::test]
async fn what_was_going_on_is_counted_by_the_hour() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let hours = |count| jiff::SignedDuration::from_hours(count);
    let seen = |at, outcome| {
        let note = RequestNote { at, outcome, ..super::requests::note(fixture.instance, Some(phone.id), "x.cfg") };
        fixture.store.requests().note(note);
    };
    seen(now(), "delivered");
    seen(now(), "not-modified");
    seen(now() - hours(2), "delivered");
    seen(now() - hours(24 * 40), "delivered");
    fixture.store.requests().flush().await.unwrap();
    seen(now(), "refused");
    fixture.store.requests().flush().await.unwrap();
    fixture.store.phones().change(phone.id, |phone, _| phone.provisioning += 1).await.unwrap();
    let read = |store: Store, from| async move {
        let rows = store.requests().activity(fixture.instance, from).await.unwrap();
        rows.iter().map(|row| (row.requests, row.deliveries, row.provisionings)).collect::<Vec<_>>()
    };
    assert_eq!(read(fixture.again().await, now() - hours(24 * 60)).await, [(1, 1, 0), (3, 1, 2)]);
    assert_eq!(read(fixture.again().await, now()).await, [(3, 1, 2)]);
}

#[tokio::test]
async fn it_is_known_when_a_setting_was_changed_or_taken_back() {
    let clock = Arc::new(ManualClock::new(now()));
    let fixture = Fixture::with_clock(clock.clone()).await;
    let set = |value: Option<&str>| {
        let (store, instance, value) = (fixture.store.clone(), fixture.instance, value.map(Secret::new));
        async move { store.settings().set_one(instance, &Scope::Instance, "language", value.as_ref()).await.unwrap() }
    };
    let changed = || async {
        let changes = fixture.store.settings().last_changes(fixture.instance, &Scope::Instance).await.unwrap();
        changes.into_iter().map(|change| (change.name, change.at)).collect::<Vec<_>>()
    };
    set(Some("de")).await;
    clock.advance(Duration::from_secs(60));
    set(Some("de")).await;
    assert_eq!(changed().await, [("language".to_owned(), now())], "nothing was changed the second time");
    set(None).await;
    assert_eq!(changed().await, [("language".to_owned(), now() + jiff::SignedDuration::from_secs(60))]);
}
