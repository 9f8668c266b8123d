//! Tokens, the audit, and files passed from commands to the gateway.

use super::*;

fn new(name: &str, scope: TokenScope, expires: Option<Timestamp>) -> NewToken {
    NewToken { name: name.into(), scope, expires, created_by: "root".into() }
}

#[tokio::test]
async fn a_token_lets_in_until_it_ends_and_is_written_nowhere() {
    let clock = Arc::new(ManualClock::new(now()));
    let fixture = Fixture::with_clock(Arc::<ManualClock>::clone(&clock)).await;
    let (store, instance) = (&fixture.store, fixture.instance);
    let end = now().saturating_add(Duration::from_secs(60)).unwrap();
    let (first, made) = store.api_tokens().create(instance, new("first", TokenScope::Read, None)).await.unwrap();
    let (second, _) = store.api_tokens().create(instance, new("second", TokenScope::Write, Some(end))).await.unwrap();
    assert!(first.expose().starts_with(TOKEN_PREFIX) && first.expose().len() == 46, "32 random bytes");
    assert_ne!(first, second);
    assert_eq!(store.api_tokens().check(instance, first.expose()), TokenCheck::Good(made.clone()));
    let TokenCheck::Good(found) = store.api_tokens().check(instance, second.expose()) else {
        panic!("the second token")
    };
    assert_eq!((found.name.as_str(), found.scope), ("second", TokenScope::Write));
    let elsewhere = store.instance("example.com", "other").await.unwrap();
    for wrong in ["", "gw_", &first.expose()[..45], &format!("{} ", first.expose())] {
        assert_eq!(store.api_tokens().check(instance, wrong), TokenCheck::Unknown, "{wrong}");
    }
    assert_eq!(
        store.api_tokens().check(elsewhere, first.expose()),
        TokenCheck::Unknown,
        "nothing crosses between instances"
    );
    // Token names are unique.
    assert!(store.api_tokens().create(instance, new("first", TokenScope::Write, None)).await.is_err());
    // The token is not in any file.
    for entry in fs::read_dir(fixture.dir.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(43).any(|part| part == &first.expose().as_bytes()[3..]), "the token is on disk");
    }
    assert_eq!(fixture.again().await.api_tokens().check(instance, first.expose()), TokenCheck::Good(made));
    clock.advance(Duration::from_secs(60));
    assert_eq!(store.api_tokens().check(instance, second.expose()), TokenCheck::Expired(end));
}

#[tokio::test]
async fn a_token_revoked_by_another_process_is_dead_here() {
    let fixture = Fixture::with_clock(Arc::new(SystemClock)).await;
    let (store, instance) = (&fixture.store, fixture.instance);
    let (text, made) = store.api_tokens().create(instance, new("first", TokenScope::Read, None)).await.unwrap();
    let command = fixture.again().await;
    assert!(command.api_tokens().revoke(instance, made.id).await.unwrap());
    assert!(!command.api_tokens().revoke(instance, made.id).await.unwrap());
    let dead = async {
        while store.api_tokens().check(instance, text.expose()) != TokenCheck::Unknown {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), dead).await.unwrap();
}

#[tokio::test]
async fn the_audit_keeps_the_newest_entries_of_each_instance() {
    let fixture = Fixture::new().await;
    let (store, instance) = (&fixture.store, fixture.instance);
    let other = store.instance("example.com", "other").await.unwrap();
    let entry = |instance, deed: &str| AuditEntry {
        instance,
        who: "Anna".into(),
        way: "page",
        source: "192.0.2.1".into(),
        target: "805ec0123456".into(),
        deed: deed.into(),
    };
    store.audit_log().add(&entry(other, "kept")).await.unwrap();
    for number in 0..5 {
        store.audit_log().add(&entry(instance, &number.to_string())).await.unwrap();
    }
    let deeds = |rows: Vec<AuditRow>| rows.into_iter().map(|row| row.deed).collect::<Vec<_>>();
    let newest = store.audit_log().entries(instance, None, 2).await.unwrap();
    let before = newest.last().unwrap().id;
    assert_eq!(deeds(newest), ["4", "3"]);
    assert_eq!(deeds(store.audit_log().entries(instance, Some(before), 10).await.unwrap()), ["2", "1", "0"]);
    assert_eq!(deeds(store.audit_log().entries(other, None, 10).await.unwrap()), ["kept"]);
}

/// Another process has just created the token. The check for external changes does not know it yet, because the clock
/// does not advance.
#[tokio::test]
async fn a_token_another_process_made_is_good_at_once_and_guesses_cost_little() {
    let fixture = Fixture::new().await;
    let (store, instance) = (&fixture.store, fixture.instance);
    let command = fixture.again().await;
    for round in 0..50 {
        let (text, made) =
            command.api_tokens().create(instance, new(&format!("t{round}"), TokenScope::Read, None)).await.unwrap();
        assert_eq!(store.api_tokens().check(instance, text.expose()), TokenCheck::Unknown, "nobody has told it yet");
        assert_eq!(store.api_tokens().prove(instance, text.expose()).await, TokenCheck::Good(made), "round {round}");
    }
    // A hundred concurrent guesses share a few look-ups.
    let guess = format!("{TOKEN_PREFIX}{}", "x".repeat(43));
    let begun = std::time::Instant::now();
    let all = futures_util::future::join_all((0..100).map(|_| store.api_tokens().prove(instance, &guess))).await;
    assert!(all.iter().all(|shown| *shown == TokenCheck::Unknown));
    assert!(begun.elapsed() < Duration::from_millis(100 * 20), "one look each takes {:?}", begun.elapsed());
}
