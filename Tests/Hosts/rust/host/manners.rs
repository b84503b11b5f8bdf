//! libmanners.so, and the promises that it judges.
use crate::plugin::{self, mistakes, wrong, Both};
use crate::tasks::crowd;
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int, c_ulong, c_void};
use std::time::Duration;

/// Never unloaded, so any thread may call it.
struct Manners(*mut c_void);
unsafe impl Send for Manners {}
unsafe impl Sync for Manners {}

extern "C" {
    #[link_name = "signal"]
    fn set_handler(number: c_int, handler: usize) -> usize;
}

type Text = extern "C" fn() -> *mut c_char;

impl Manners {
    fn load() -> Manners {
        Manners(plugin::open(&std::env::var("MANNERS").expect("set MANNERS"), plugin::LOCAL))
    }

    fn find(&self, name: &str) -> *mut c_void {
        let found = plugin::symbol(self.0, name);
        assert!(!found.is_null(), "libmanners.so has no {name}");
        found
    }

    fn text(&self, name: &str) -> String {
        let call: Text = unsafe { std::mem::transmute(self.find(name)) };
        let free: extern "C" fn(*mut c_char) =
            unsafe { std::mem::transmute(self.find("manners_free")) };
        let text = call();
        let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        free(text);
        copy
    }

    fn global(&self, name: &str) -> c_ulong {
        let call: extern "C" fn(*const c_char) -> c_ulong =
            unsafe { std::mem::transmute(self.find("manners_global")) };
        let name = CString::new(name).expect("a name");
        call(name.as_ptr())
    }
}

/// The lines that only one of two texts has.
fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (HashSet<_>, HashSet<_>) = (before.lines().collect(), after.lines().collect());
    let gone = old.difference(&new).map(|line| format!("-{line}"));
    gone.chain(new.difference(&old).map(|line| format!("+{line}"))).collect()
}

fn same(what: &str, before: &str, after: &str) {
    for line in difference(before, after) {
        wrong(format!("{what}: {line}"));
    }
}

/// The host's own handlers and threads are there before: tokio's signal driver too.
pub async fn untouched() {
    use tokio::signal::unix::{signal, SignalKind};
    let _own = signal(SignalKind::user_defined1()).expect("a signal stream");
    // Rust ignores it, which would hide a plugin that does; many a host undoes that.
    const SIGPIPE: c_int = 13;
    const SIG_DFL: usize = 0;
    unsafe { set_handler(SIGPIPE, SIG_DFL) };
    let manners = Manners::load();
    let before = manners.text("manners_state");
    let both = Both::load(plugin::LOCAL);
    // On the same thread still: what init does to it.
    same("the process", &before, &manners.text("manners_state"));
    crowd(32, move |task| {
        // A worker of the runtime; it does not change threads in between.
        let manners = Manners::load();
        let before = manners.text("manners_state");
        (0..30).for_each(|i| both.mixed(task + i));
        same("a calling thread", &before, &manners.text("manners_state"));
    })
    .await;
    both.expire(5);
    same("the process", &before, &manners.text("manners_state"));
    let lines = before.lines().count();
    println!("{lines} lines of process state equal before loading and after 32 tasks' calls");
}

pub async fn descriptors() {
    let manners = Manners::load();
    let before = manners.text("manners_descriptors");
    let both = Both::load(plugin::LOCAL);
    let calls = move |task: usize| (0..40).for_each(|i| both.mixed(task + i));
    crowd(32, calls).await;
    let first = manners.text("manners_descriptors");
    for line in difference(&before, &first) {
        if line.starts_with('+') && line.contains(" inherited ") {
            wrong(format!("not close-on-exec: {line}"));
        }
    }
    crowd(32, calls).await;
    crowd(32, calls).await;
    let after = manners.text("manners_descriptors");
    same("descriptors after the crowd came three times, not once", &first, &after);
    let count = first.lines().count();
    println!("{count} descriptors after 32 tasks' 1,280 rounds of calls, and after 3,840");
}

/// How often a thread left a processor; None when it has ended.
fn switches(id: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/self/task/{id}/status")).ok()?;
    let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
    Some(counts.filter_map(|line| line.split('\t').nth(1)?.parse::<u64>().ok()).sum())
}

pub async fn threads() {
    let manners = Manners::load();
    // All of the runtime's threads, those of spawn_blocking too, are there first.
    crowd(32, |_| std::thread::sleep(Duration::from_millis(2))).await;
    let ids = |text: &str| -> HashSet<String> {
        text.lines().filter_map(|line| line.split(' ').next()).map(String::from).collect()
    };
    let before = ids(&manners.text("manners_threads"));
    let both = Both::load(plugin::LOCAL);
    crowd(32, move |task| (0..40).for_each(|i| both.mixed(task + i))).await;
    let now = manners.text("manners_threads");
    let new: Vec<&str> =
        now.lines().filter(|line| !before.contains(line.split(' ').next().unwrap())).collect();
    for line in &new {
        if !line.ends_with(" process") {
            wrong(format!("a thread of the plugins' has a mask of its own: {line}"));
        }
    }
    if new.len() < 2 {
        wrong(format!("only {} threads of the plugins seen", new.len()));
    }
    let mut tries = 0;
    loop {
        let look = || -> Vec<Option<u64>> {
            new.iter().map(|line| switches(line.split(' ').next().unwrap())).collect()
        };
        let first = look();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let second = look();
        let ran = first.iter().zip(&second).filter(|(a, b)| b.is_some() && a != b).count();
        tries += 1;
        if ran == 0 {
            break;
        } else if tries == 3 {
            wrong(format!("not idle: {ran} threads ran"));
            break;
        }
    }
    if mistakes() == 0 {
        println!(
            "{} threads of the plugins, idle for a second, masks as they should be",
            new.len()
        );
    }
}

/// Names that the decoys do not have: nobody may see them of the plugins'.
const INSIDE: [&str; 14] = [
    "uv_version_string",
    "uv_loop_close",
    "uv_poll_start",
    "ob_version_string",
    "ob_strerror",
    "ob_engine_stop",
    "ob__now",
    "swift_bridgeObjectRetain",
    "swift_getTypeByMangledName",
    "swift_dynamicCast",
    "sqlite3_libversion",
    "sqlite3_prepare_v2",
    "mcp_error",
    "pricing_init",
];

/// The decoy (support/decoys.c, preloaded) that was called last.
fn decoy(manners: &Manners) -> Option<String> {
    let called = manners.global("decoy_called");
    assert!(called != 0, "preload the decoys");
    let called: extern "C" fn() -> *const c_char = unsafe { std::mem::transmute(called) };
    let name = called();
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

pub async fn symbols(flags: c_int) {
    let manners = Manners::load();
    let both = Both::load(flags);
    crowd(32, move |task| (0..20).for_each(|i| both.mixed(task + i))).await;
    for name in INSIDE {
        for plugin in [&both.pricing, &both.clock] {
            if !plugin.sees(name).is_null() {
                wrong(format!("a plugin shows {name}"));
            }
        }
        if manners.global(name) != 0 {
            wrong(format!("{name} is visible to all"));
        }
    }
    if let Some(name) = decoy(&manners) {
        wrong(format!("a plugin used the host's {name}"));
    }
    let declared = manners.global("plugin_declaration") != 0;
    if declared != (flags == plugin::GLOBAL) {
        wrong("plugin_declaration: visible to the wrong ones".into());
    }
    if mistakes() == 0 {
        println!(
            "{} names of the plugins' inside are not to be seen, 18 decoys never called",
            INSIDE.len()
        );
    }
}
