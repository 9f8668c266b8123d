#![no_main]

#[path = "../entries/sysclient.rs"]
mod sysclient;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sysclient::enter(data));
