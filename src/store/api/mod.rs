//! What the store is to the rest of the program, and what it asks of a database.
//!
//! The types of this folder say what is stored. The traits named `...Repository` are the interface of a database engine,
//! one for each aggregate. [`super::sqlite::Sqlite`] implements them; another engine is another folder beside it. An
//! engine promises:
//!
//! * A change locks the rows of its phones in the order of their ids, reads them, changes and writes them. SQLite has
//!   one writer, which locks all rows at once, and writes deferred changes of a short time in one transaction.
//! * A change gets a number. The order of the numbers is the order of the commits. Whoever has seen the number `last`
//!   catches up by reading what has a number above it; changes of other processes come into memory this way.
//! * What is committed is put into [`super::memory::Memory`] and announced there before the next commit, so that memory
//!   follows the order of the commits.
//! * A secret is sealed inside the transaction that writes it.
//!
//! Leases are not part of the interface yet: with SQLite there is one gateway, which always leads, and nothing asks. They
//! come with the engine that serves several gateways.

pub(in crate::store) mod activity;
pub(in crate::store) mod audit;
pub(in crate::store) mod delivered;
pub(in crate::store) mod error;
pub(in crate::store) mod event;
pub(in crate::store) mod health;
pub(in crate::store) mod history;
pub(in crate::store) mod instance;
pub(in crate::store) mod learned;
pub(in crate::store) mod loss;
pub(in crate::store) mod phone;
pub(in crate::store) mod recovery;
pub(in crate::store) mod request;
pub(in crate::store) mod restoration;
pub(in crate::store) mod rotation;
pub(in crate::store) mod setting;
pub(in crate::store) mod token;
pub(in crate::store) mod upload;
