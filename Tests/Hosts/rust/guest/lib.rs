//! What a plugin with a tokio of its own does inside: `block_on` in each call. Linked into the
//! host, it shares the host's tokio, as a plugin does that a Rust host is compiled with. The host
//! calls it from the same places as our plugins, to show what those have to withstand.
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

static START: Once = Once::new();
static mut RUNTIME: Option<Runtime> = None;

fn runtime() -> &'static Runtime {
    START.call_once(|| {
        let made = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        // Written once, before anybody reads it.
        unsafe { RUNTIME = Some(made.expect("a runtime")) };
    });
    unsafe { RUNTIME.as_ref().expect("started") }
}

/// Waits on the plugin's runtime; the panic's text when there is one.
pub fn wait(time: Duration) -> Result<(), String> {
    let call = || runtime().block_on(async { tokio::time::sleep(time).await });
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| match panic.downcast_ref::<&str>() {
        Some(text) => text.to_string(),
        None => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
    })
}
