#![no_main]

#[path = "../entries/redirect.rs"]
mod redirect;

libfuzzer_sys::fuzz_target!(|data: &[u8]| redirect::enter(data));
