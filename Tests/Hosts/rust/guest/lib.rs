//! What a plugin with a tokio inside does when it is linked into a tokio host and so shares the
//! host's tokio. The host calls it from the same places as our plugins, to show what those have
//! to withstand.
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{mpsc, Once};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

static START: Once = Once::new();
static RUNTIME: AtomicPtr<Runtime> = AtomicPtr::new(null_mut()); // START; never dropped

fn runtime() -> &'static Runtime {
    START.call_once(|| {
        let made = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        RUNTIME.store(Box::into_raw(Box::new(made.expect("a runtime"))), Ordering::SeqCst);
    });
    unsafe { RUNTIME.load(Ordering::SeqCst).as_ref() }.expect("started")
}

/// Waits on a runtime of its own, by block_on; the panic's text when there is one.
pub fn wait(time: Duration) -> Result<(), String> {
    let call = || runtime().block_on(async { tokio::time::sleep(time).await });
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| match panic.downcast_ref::<&str>() {
        Some(text) => text.to_string(),
        None => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
    })
}

/// Waits on the host's runtime, as one does who has met that panic; whether there was an answer
/// in time. Nobody is left to give it when every worker is in here.
pub fn wait_on_host(time: Duration, patience: Duration) -> bool {
    let (done, answer) = mpsc::channel();
    Handle::current().spawn(async move {
        tokio::time::sleep(time).await;
        let _ = done.send(());
    });
    answer.recv_timeout(patience).is_ok()
}
