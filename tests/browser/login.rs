//! Tests logging in with the instance's password in a plain browser, with wrong passwords, and with too many attempts.

use serde_json::json;

use crate::{
    harness::{given, options, play, watch},
    support::{gateway::Gateway, options::Options},
};

#[actix_rt::test]
async fn the_password_opens_the_page_and_wrong_ones_are_explained() {
    let mut gateway = Gateway::start_with(options()).await;
    let parameters = given(&gateway, &json!({}));
    play("login", &parameters, async |step, _| {
        assert_eq!(step, "restart");
        gateway.restart().await;
        json!(null)
    })
    .await;
}

#[actix_rt::test]
async fn without_the_password_login_the_page_says_so() {
    let gateway = Gateway::start_with(Options::default()).await;
    watch("no_login", &given(&gateway, &json!({}))).await;
}
