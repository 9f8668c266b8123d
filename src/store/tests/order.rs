//! A receiver of a change finds what another process wrote before it, even if this process was faster than its check
//! for external changes.

use super::*;

#[tokio::test]
async fn a_change_of_ours_brings_in_what_another_process_wrote_before() {
    // The clock does not advance, so the check does not run.
    let fixture = Fixture::new().await;
    let (store, instance) = (&fixture.store, fixture.instance);
    let phone = store.phones().create(fixture.phone("805ec0123456"), Vec::new()).await.unwrap();
    let other = fixture.again().await;
    let language = Secret::new("de");
    for (word, at_once) in [("first", true), ("second", false)] {
        let mut changes = store.phones().changes();
        other.learned().set_devices_addresses(instance, vec![word.to_owned()]).await.unwrap();
        other.settings().set_one(instance, &Scope::Instance, "language", Some(&language)).await.unwrap();
        other.phones().change(phone.id, |phone, _| phone.category = Some(word.to_owned())).await.unwrap();
        assert_ne!(store.learned().devices_addresses(instance), [word], "not looked yet");
        if at_once {
            store.phones().change(phone.id, |phone, _| phone.firmware = Some(word.to_owned())).await.unwrap();
        } else {
            let change = |phone: &mut Phone, _: &mut Vec<NewEvent>| phone.firmware = Some("later".to_owned());
            store.phones().change_later(phone.id, Box::new(change)).await.unwrap();
        }
        changes.recv().await.unwrap();
        assert_eq!(store.phones().get(phone.id).unwrap().category.as_deref(), Some(word));
        assert_eq!(store.learned().devices_addresses(instance), [word], "written before the phone");
        assert!(store.settings().layers(instance).get("language").is_some());
        let number = store.phones().change_number(phone.id);
        assert!(number > other.phones().change_number(phone.id), "the change of this process came last");
    }
}

/// Both processes write without a pause while their checks for external changes run.
#[tokio::test]
async fn whenever_two_processes_write_a_change_is_heard_after_what_was_written_before_it() {
    let fixture = Fixture::with_clock(Arc::new(SystemClock)).await;
    let (store, instance) = (&fixture.store, fixture.instance);
    let phone = store.phones().create(fixture.phone("805ec0123456"), Vec::new()).await.unwrap();
    let other = fixture.again().await;
    let mut late = 0;
    for round in 0..100 {
        let word = round.to_string();
        other.learned().set_devices_addresses(instance, vec![word.clone()]).await.unwrap();
        other.phones().change(phone.id, |phone, _| phone.category = Some(word.clone())).await.unwrap();
        store.phones().change(phone.id, |phone, _| phone.firmware = Some(word.clone())).await.unwrap();
        late += u32::from(store.learned().devices_addresses(instance) != [word]);
    }
    assert_eq!(late, 0, "of 100");
}
