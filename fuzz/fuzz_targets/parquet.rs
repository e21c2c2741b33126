#![no_main]

use std::sync::Once;

#[path = "../entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static HOOK: Once = Once::new();
    // The fuzzer's hook ends the process at every panic, but those of the Parquet library are caught by the reader. A panic
    // that is not caught still ends it.
    HOOK.call_once(|| drop(std::panic::take_hook()));
    entry::parquet(bytes);
});
