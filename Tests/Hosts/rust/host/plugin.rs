//! The plugin ABI from Rust: dlopen, the declaration, calls whose answers are compared.
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// See mcp_plugin.h.
#[repr(C)]
struct Declaration {
    api_version: *const u8,
    list_tools: extern "C" fn(*mut *mut u8, *mut usize) -> i32,
    execute_tool: extern "C" fn(*const c_char, *const u8, usize, *mut *mut u8, *mut usize) -> i32,
    free_string: extern "C" fn(*mut u8, usize),
    configure: Option<extern "C" fn(*const u8, usize) -> i32>,
    init: Option<extern "C" fn(*mut *mut u8, *mut usize) -> i32>,
}

#[link(name = "dl")]
extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(image: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlclose(image: *mut c_void) -> c_int;
    fn dlerror() -> *const c_char;
}

static MISTAKES: AtomicUsize = AtomicUsize::new(0);

/// Counts a mistake; the first few are told on stderr.
pub fn wrong(text: String) {
    if MISTAKES.fetch_add(1, Ordering::SeqCst) < 10 {
        eprintln!("{text}");
    }
}

pub fn mistakes() -> usize {
    MISTAKES.load(Ordering::SeqCst)
}

/// Opens any shared object; ends the process when that fails.
pub fn open(path: &str, flags: c_int) -> *mut c_void {
    let name = CString::new(path).expect("a path");
    let image = unsafe { dlopen(name.as_ptr(), flags) };
    if image.is_null() {
        let why = unsafe { CStr::from_ptr(dlerror()) };
        eprintln!("{path}: {}", why.to_string_lossy());
        std::process::exit(2);
    }
    image
}

pub fn symbol(image: *mut c_void, name: &str) -> *mut c_void {
    let name = CString::new(name).expect("a name");
    unsafe { dlsym(image, name.as_ptr()) }
}

pub const LOCAL: c_int = 2; // RTLD_NOW
pub const GLOBAL: c_int = 2 | 0x100;

/// A loaded plugin. Its functions may be called by any thread.
#[derive(Clone, Copy)]
pub struct Plugin {
    image: *mut c_void,
    abi: &'static Declaration,
}
unsafe impl Send for Plugin {}
unsafe impl Sync for Plugin {}

impl Plugin {
    pub fn load(path: &str, config: &str, flags: c_int) -> Plugin {
        let image = open(path, flags);
        let found = symbol(image, "plugin_declaration") as *const Declaration;
        let abi = unsafe { found.as_ref() }.expect("plugin_declaration");
        let plugin = Plugin { image, abi };
        if plugin.configure(config) != 0 {
            eprintln!("{path}: configure refused");
            std::process::exit(2);
        }
        let (code, text) = plugin.init();
        if code != 0 {
            eprintln!("{path}: init failed: {text}");
            std::process::exit(2);
        }
        plugin
    }

    pub fn configure(&self, config: &str) -> i32 {
        self.abi.configure.map_or(0, |call| call(config.as_ptr(), config.len()))
    }

    pub fn init(&self) -> (i32, String) {
        self.answer(|buf, len| self.abi.init.map_or(0, |call| call(buf, len)))
    }

    pub fn address(&self) -> usize {
        self.abi as *const Declaration as usize
    }

    /// dlclose. The plugin must go on answering what is in flight.
    pub fn close(&self) {
        if unsafe { dlclose(self.image) } != 0 {
            wrong("dlclose failed".into());
        }
    }

    pub fn sees(&self, name: &str) -> *mut c_void {
        symbol(self.image, name)
    }

    fn answer(&self, call: impl FnOnce(*mut *mut u8, *mut usize) -> i32) -> (i32, String) {
        let (mut buf, mut len) = (null_mut(), 0usize);
        let code = call(&mut buf, &mut len);
        if buf.is_null() {
            return (code, String::new());
        }
        let bytes = unsafe { std::slice::from_raw_parts(buf, len) };
        let text = String::from_utf8_lossy(bytes).into_owned();
        (self.abi.free_string)(buf, len);
        (code, text)
    }

    pub fn call(&self, tool: &str, args: &str) -> (i32, String) {
        let name = CString::new(tool).expect("a name");
        self.answer(|buf, len| {
            (self.abi.execute_tool)(name.as_ptr(), args.as_ptr(), args.len(), buf, len)
        })
    }

    fn expect(&self, tool: &str, args: &str, code: i32, answer: &str) {
        let got = self.call(tool, args);
        if got != (code, answer.to_string()) {
            wrong(format!("{tool} {args}: {got:?}, not {code} {answer}"));
        }
    }
}

/// Both plugins, by $PRICING and $CLOCK.
#[derive(Clone, Copy)]
pub struct Both {
    pub pricing: Plugin,
    pub clock: Plugin,
}

pub const PRICING_CONFIG: &str =
    r#"{"database_url":"sqlite::memory:","max_connections":4,"timeout_seconds":60}"#;
pub const CLOCK_CONFIG: &str = r#"{"timeout_ms":50000}"#;

const PRODUCTS: [(i64, &str, &str, &str); 10] = [
    (1, "Espresso Machine", "449.95", "15 bar pump, one group"),
    (2, "Coffee Grinder", "129.1", "Conical burrs, 40 g hopper"),
    (3, "Gooseneck Kettle", "79.99", "0.9 l, variable temperature"),
    (4, "Digital Scale", "24.5", "0.1 g steps up to 2 kg"),
    (5, "Paper Filters", "0.07", "Each; sold by the hundred"),
    (6, "Milk Pitcher", "18", "600 ml, stainless steel"),
    (7, "100% Arabica Beans", "13.37", "1 kg, medium roast"),
    (8, "Tamper_58", "32.25", "58 mm, flat base"),
    (9, "Plantation Futures", "1234567890123456.789012345678", "A price with 28 digits"),
    (i64::MAX, "Last Product", "0.1", "The largest id that there is"),
];

impl Both {
    pub fn load(flags: c_int) -> Both {
        let path = |name| std::env::var(name).expect("set PRICING and CLOCK");
        Both {
            pricing: Plugin::load(&path("PRICING"), PRICING_CONFIG, flags),
            clock: Plugin::load(&path("CLOCK"), CLOCK_CONFIG, flags),
        }
    }

    pub fn price(&self, i: usize) {
        price(&self.pricing, i)
    }

    /// Both waits at once take as long as the longer.
    pub fn wait(&self, first: u64, second: u64) {
        let begin = Instant::now();
        let args = format!(r#"{{"first_ms":{first},"second_ms":{second}}}"#);
        let (code, text) = self.clock.call("wait_both", &args);
        let took = begin.elapsed().as_millis() as u64;
        let head = format!(r#"{{"first_ms":{first},"second_ms":{second},"elapsed_ms":"#);
        let elapsed = text.strip_prefix(&head).and_then(|rest| rest.strip_suffix('}'));
        let elapsed: Option<u64> = elapsed.and_then(|digits| digits.parse().ok());
        let right = |ms| ms >= first.max(second) && ms <= took + 1;
        if code != 0 || !elapsed.map_or(false, right) {
            wrong(format!("wait_both {args}: {code} {text} after {took} ms"));
        }
    }

    /// A wait that must end at its deadline.
    pub fn expire(&self, timeout: u64) {
        let begin = Instant::now();
        let args = format!(r#"{{"first_ms":1,"second_ms":3000,"timeout_ms":{timeout}}}"#);
        let answer = r#"{"error":"no answer: deadline expired"}"#;
        self.clock.expect("wait_both", &args, 1, answer);
        let took = begin.elapsed().as_millis() as u64;
        if took + 1 < timeout || took > timeout + 2500 {
            wrong(format!("a deadline of {timeout} ms came after {took} ms"));
        }
    }

    pub fn errors(&self) {
        let text = r#"{"error":"Unknown tool: nonsense"}"#;
        self.pricing.expect("nonsense", "{}", 1, text);
        let text = r#"{"error":"product_id must be an integer"}"#;
        self.pricing.expect("get_product_price", r#"{"product_id":"1"}"#, 1, text);
        let text = r#"{"error":"first_ms and second_ms must be 0 to 60000"}"#;
        self.clock.expect("wait_both", r#"{"first_ms":1}"#, 1, text);
    }

    /// Some of each.
    pub fn mixed(&self, i: usize) {
        self.price(i);
        self.wait(i as u64 % 3, i as u64 % 5);
        if i % 16 == 0 {
            self.errors();
        }
    }

    /// How many calls clock's engine has been handed.
    pub fn submitted(&self) -> u64 {
        let (code, text) = self.clock.call("health", "{}");
        let digits = text.split(r#""submitted":"#).nth(1).and_then(|rest| rest.split(',').next());
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(count) if code == 0 => count,
            _ => {
                wrong(format!("health: {code} {text}"));
                0
            }
        }
    }

    /// Returns when clock's engine holds so many calls more.
    pub fn await_submitted(&self, before: u64, waits: u64) {
        let mut looks = 0;
        while {
            looks += 1;
            self.submitted() < before + waits + looks
        } {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

pub fn price(pricing: &Plugin, i: usize) {
    let kind = i % (PRODUCTS.len() + 1);
    if kind == PRODUCTS.len() {
        let text = r#"{"error":"Product 10 not found"}"#;
        return pricing.expect("get_product_price", r#"{"product_id":10}"#, 1, text);
    }
    let (id, name, price, about) = PRODUCTS[kind];
    let args = format!(r#"{{"product_id":{id}}}"#);
    let answer =
        format!(r#"{{"description":"{about}","id":{id},"name":"{name}","price":{price}}}"#);
    pricing.expect("get_product_price", &args, 0, &answer);
}
