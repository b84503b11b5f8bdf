//! clock once more, in Rust: a plugin with a whole tokio of its own inside. Its answers are
//! right. What its runtime does to the process is what the host's checks must reject.
use std::ffi::CStr;
use std::os::raw::c_char;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicU64, Ordering};
use std::sync::Once;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

const LONGEST_MS: i64 = 60000;
static START: Once = Once::new();
static RUNTIME: AtomicPtr<Runtime> = AtomicPtr::new(null_mut()); // START; never dropped
static TIMEOUT: AtomicI64 = AtomicI64::new(-1);
static SUBMITTED: AtomicU64 = AtomicU64::new(0);

/// An integer member of a flat JSON object. The tests send no other.
fn number(args: &str, name: &str) -> Option<i64> {
    let rest = args.split(&format!("\"{name}\":")).nth(1)?;
    rest.split([',', '}']).next()?.trim().parse().ok()
}

fn error(text: &str) -> (i32, String) {
    (1, format!(r#"{{"error":"{text}"}}"#))
}

fn wait_both(args: &str) -> (i32, String) {
    let wait = |name| number(args, name).filter(|ms| (0..=LONGEST_MS).contains(ms));
    let (first, second) = match (wait("first_ms"), wait("second_ms")) {
        (Some(first), Some(second)) => (first, second),
        _ => return error("first_ms and second_ms must be 0 to 60000"),
    };
    let deadline = number(args, "timeout_ms").unwrap_or(TIMEOUT.load(Ordering::SeqCst));
    let ms = |count: i64| Duration::from_millis(count as u64);
    let begin = Instant::now();
    let both = async {
        let one = tokio::spawn(sleep(ms(first)));
        let other = tokio::spawn(sleep(ms(second)));
        let _ = (one.await, other.await);
    };
    let runtime = unsafe { RUNTIME.load(Ordering::SeqCst).as_ref() }.expect("after init");
    if runtime.block_on(async { timeout(ms(deadline), both).await }).is_err() {
        return error("no answer: deadline expired");
    }
    let took = begin.elapsed().as_millis();
    (0, format!(r#"{{"first_ms":{first},"second_ms":{second},"elapsed_ms":{took}}}"#))
}

fn give((code, text): (i32, String), buf: *mut *mut u8, len: *mut usize) -> i32 {
    let bytes = text.into_bytes().into_boxed_slice();
    unsafe {
        *len = bytes.len();
        *buf = Box::into_raw(bytes) as *mut u8;
    }
    code
}

extern "C" fn list_tools(buf: *mut *mut u8, len: *mut usize) -> i32 {
    let tool = r#"[{"name":"wait_both","description":"","inputSchema":{"type":"object"}}]"#;
    give((0, tool.into()), buf, len)
}

extern "C" fn execute_tool(
    name: *const c_char,
    args: *const u8,
    size: usize,
    buf: *mut *mut u8,
    len: *mut usize,
) -> i32 {
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    let args = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(args, size) });
    let submitted = SUBMITTED.fetch_add(1, Ordering::SeqCst) + 1;
    let answer = match &*name {
        "wait_both" => wait_both(&args),
        "health" => (0, format!(r#"{{"status":"ok","submitted":{submitted},"completed":0}}"#)),
        _ => error(&format!("Unknown tool: {name}")),
    };
    give(answer, buf, len)
}

extern "C" fn free_string(ptr: *mut u8, len: usize) {
    if !ptr.is_null() {
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(ptr, len)) });
    }
}

extern "C" fn configure(json: *const u8, len: usize) -> i32 {
    let json = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(json, len) });
    match number(&json, "timeout_ms") {
        None => 1,
        Some(ms) => match TIMEOUT.compare_exchange(-1, ms, Ordering::SeqCst, Ordering::SeqCst) {
            Err(held) if held != ms => 2,
            _ => 0,
        },
    }
}

extern "C" fn init(_: *mut *mut u8, _: *mut usize) -> i32 {
    START.call_once(|| {
        let made = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        RUNTIME.store(Box::into_raw(Box::new(made.expect("a runtime"))), Ordering::SeqCst);
    });
    0
}

/// See mcp_plugin.h.
#[repr(C)]
pub struct Declaration {
    api_version: *const u8,
    list_tools: extern "C" fn(*mut *mut u8, *mut usize) -> i32,
    execute_tool: extern "C" fn(*const c_char, *const u8, usize, *mut *mut u8, *mut usize) -> i32,
    free_string: extern "C" fn(*mut u8, usize),
    configure: extern "C" fn(*const u8, usize) -> i32,
    init: extern "C" fn(*mut *mut u8, *mut usize) -> i32,
    rest: [usize; 4],
}
unsafe impl Sync for Declaration {}

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static plugin_declaration: Declaration = Declaration {
    api_version: b"0.5.0\0".as_ptr(),
    list_tools,
    execute_tool,
    free_string,
    configure,
    init,
    rest: [0; 4],
};
