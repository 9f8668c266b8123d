//! The real handles behind the ports.
use super::ports::{RedirectService, Reply};
use crate::{
    phone::{mac::Mac, record::PhoneId},
    redirect::{Operation, Outcome, RedirectAccount, Redirects},
};

impl RedirectService for Redirects {
    fn run(&self, account: RedirectAccount, operation: Operation, phone: Option<(PhoneId, Mac)>) -> Reply<Outcome> {
        Box::pin(Self::run(self, account, operation, phone))
    }
}
