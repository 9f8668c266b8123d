#![no_main]

#[path = "../entries/request.rs"]
mod request;

libfuzzer_sys::fuzz_target!(|data: &[u8]| request::enter(data));
