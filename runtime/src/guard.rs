//! Calls what users wrote, where a panic must not end the task that calls it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `call` gives, or the text of its panic.
///
/// Whatever is called starts anew from the present state each time, so a panic leaves nothing half done that a kill
/// would not leave as well.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| message(&*panic))
}

/// The text of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "not a text".to_owned())
}
