//! What outside programs and people call: the incoming AppWebsockets, REST, and the admin page. Thin shells over `service`.

pub mod appwebsocket;
pub mod pages;
pub mod rest;
