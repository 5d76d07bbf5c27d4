//! See `kubewright_fuzz::object`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kubewright_fuzz::object(data));
