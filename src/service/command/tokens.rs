//! Manages the tokens of scripts.

use serde_json::{Value, json};

use super::{CommandError, CommandService, Replies};
use crate::service::{
    caller::Caller,
    tokens::{NewTokenForm, create, info, revoke},
};

impl CommandService {
    pub(super) async fn create_token(
        &self,
        caller: &Caller,
        name: String,
        scope: String,
        days: Option<u32>,
    ) -> Result<Value, CommandError> {
        let form = NewTokenForm { name, scope, days };
        let (text, token) = create(&self.store, &self.clock, caller, &form).await?;
        let mut row = json!(info(&token, self.clock.now()));
        row["token"] = json!(text.expose());
        Ok(row)
    }

    pub(super) async fn list_tokens(&self, caller: &Caller, replies: &Replies) -> Result<(), CommandError> {
        let now = self.clock.now();
        let tokens = self.store.api_tokens().of(caller.instance.id);
        replies.rows(tokens.iter().map(|token| json!(info(token, now)))).await;
        Ok(())
    }

    /// Revokes the token with this name or number.
    pub(super) async fn revoke_token(&self, caller: &Caller, token: &str) -> Result<String, CommandError> {
        let known = self.store.api_tokens().of(caller.instance.id);
        let Some(found) = known.iter().find(|one| one.name == token || one.id.to_string() == token) else {
            return Err(CommandError::rejected(format!(
                "there is no token '{token}': `gangway tokens list` shows what there is"
            )));
        };
        Ok(revoke(&self.store, caller, found.id).await?)
    }
}
