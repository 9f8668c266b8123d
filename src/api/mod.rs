//! The interfaces for other programs and users: incoming AppWebsockets, the REST API, and the admin page. They are thin
//! layers over `service`.

pub mod admin_page;
pub mod appwebsocket;
pub mod local_socket;
pub mod pages;
pub mod rest;
