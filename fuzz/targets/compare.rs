//! See `kubewright_fuzz::compare_schemas`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kubewright_fuzz::compare_schemas(data));
