//! fork, the end, signals, dlclose: with calls in flight.
use crate::plugin::{self, mistakes, wrong, Both, CLOCK_CONFIG, PRICING_CONFIG};
use crate::tasks::crowd;
use std::io::Write;
use std::os::raw::c_int;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::signal::unix::{signal, SignalKind};
use tokio::task::{spawn, spawn_blocking};

extern "C" {
    fn fork() -> c_int;
    fn waitpid(id: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn kill(id: c_int, signal: c_int) -> c_int;
}

fn ready() {
    println!("ready");
    std::io::stdout().flush().expect("stdout");
}

/// Both plugins say that they were forked; clock's init starts afresh.
fn told(both: &Both) -> bool {
    let calls = [
        both.pricing.call("get_product_price", r#"{"product_id":1}"#),
        both.clock.call("wait_both", r#"{"first_ms":1,"second_ms":1}"#),
    ];
    calls.iter().all(|(code, text)| *code == 1 && text.contains("belongs to the parent process"))
}

/// How long to wait for what never has to take long: $PATIENCE seconds, or as many as given.
fn patience(seconds: u64) -> Duration {
    let told = std::env::var("PATIENCE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(told.unwrap_or(seconds))
}

/// Waits for a child; one that does not end in time is killed.
fn status_of(child: c_int) -> c_int {
    let (begin, patience, mut status) = (Instant::now(), patience(30), 0);
    while unsafe { waitpid(child, &mut status, 1) } == 0 {
        if begin.elapsed() > patience {
            unsafe { kill(child, 9) };
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    status
}

/// Without an await: tokio may leave a task that is ready in the queue of a worker that is in a
/// call, and then nobody would fork.
fn fork_all(both: Both) {
    for i in 0..200 {
        let child = unsafe { fork() };
        if child == 0 {
            let fine = told(&both)
                && (i % 2 == 0 || {
                    both.clock.init().0 == 0 && {
                        both.wait(0, 1);
                        mistakes() == 0
                    }
                });
            std::process::exit(if fine { 40 } else { 1 });
        }
        let status = status_of(child);
        if status != 40 << 8 {
            wrong(format!("child {i} ended with wait status {status:#x}"));
            break;
        }
    }
    if mistakes() > 0 {
        return;
    }
    for i in 0..50 {
        let mut command = Command::new("true");
        let check = move || match told(&both) {
            true => Ok(()),
            false => Err(std::io::Error::from_raw_os_error(71)),
        };
        let ended = unsafe { command.pre_exec(check) }.status();
        if !matches!(&ended, Ok(status) if status.success()) {
            wrong(format!("command {i}: {ended:?}"));
        }
    }
}

static STOP: AtomicBool = AtomicBool::new(false);

/// fork(2) on a worker of the runtime, and Command, whose child calls before it becomes another
/// program.
pub async fn forks() {
    let both = Both::load(plugin::LOCAL);
    let busy: Vec<_> = (0..32usize)
        .map(|task| {
            let calls = move || {
                let mut i = task;
                while !STOP.load(Ordering::SeqCst) {
                    both.mixed(i);
                    i += 1;
                }
            };
            if task < 4 {
                spawn(async move { calls() })
            } else {
                spawn_blocking(calls)
            }
        })
        .collect();
    fork_all(both);
    if mistakes() > 0 {
        std::process::exit(1);
    }
    STOP.store(true, Ordering::SeqCst);
    for task in busy {
        task.await.expect("no panic");
    }
    if unsafe { waitpid(-1, &mut 0, 1) } != -1 {
        wrong("there are children left".into());
    }
    println!(
        "200 forks on a worker, 50 commands whose child calls before exec: each was told, half of \
         the forks started clock afresh, all ended by process::exit; 32 tasks were in calls"
    );
}

/// 16 threads in long waits, 4 workers and 12 threads in prices.
fn get_busy(both: Both) {
    let before = both.submitted();
    for task in 0..32 {
        let calls = move || loop {
            if task % 2 == 0 {
                both.clock.call("wait_both", r#"{"first_ms":1,"second_ms":50000}"#);
            } else {
                both.pricing.call("get_product_price", r#"{"product_id":1}"#);
            }
        };
        if task % 8 == 1 {
            spawn(async move { calls() });
        } else {
            spawn_blocking(calls);
        }
    }
    both.await_submitted(before, 16);
    ready();
}

pub async fn leave() {
    get_busy(Both::load(plugin::LOCAL));
    std::process::exit(7);
}

/// On a thread of spawn_blocking.
pub async fn leave_by_blocking() {
    get_busy(Both::load(plugin::LOCAL));
    let _ = spawn_blocking(|| std::process::exit(7)).await;
}

/// For main to return from, with the runtime left to itself.
pub async fn leave_by_return() {
    get_busy(Both::load(plugin::LOCAL));
}

/// tokio's signal streams: the host's handler, and what it wakes.
pub async fn signals() {
    let mut term = signal(SignalKind::terminate()).expect("a stream");
    let mut int = signal(SignalKind::interrupt()).expect("a stream");
    let both = Both::load(plugin::LOCAL);
    let before = both.submitted();
    let waits: Vec<_> = (0..16u64)
        .map(|task| {
            spawn_blocking(move || {
                both.wait(700, 600 + task);
                both.price(task as usize);
            })
        })
        .collect();
    tokio::task::block_in_place(|| both.await_submitted(before, 16));
    ready();
    static GOT: AtomicBool = AtomicBool::new(false);
    spawn(async move { GOT.store(term.recv().await.is_some(), Ordering::SeqCst) });
    spawn(async move { GOT.store(int.recv().await.is_some(), Ordering::SeqCst) });
    let begin = Instant::now();
    while !GOT.load(Ordering::SeqCst) && begin.elapsed() < patience(15) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if !GOT.load(Ordering::SeqCst) {
        wrong("the host's signal stream said nothing".into());
    }
    for wait in waits {
        wait.await.expect("no panic");
    }
    if mistakes() == 0 {
        println!("handled");
    }
}

/// A thread runs out of its stack: the fault must come to Rust's own handler, which says so.
pub async fn overflowing() {
    get_busy(Both::load(plugin::LOCAL));
    fn deeper(depth: u64) -> u64 {
        let here = [depth; 64];
        let again = unsafe { std::ptr::read_volatile(&here) };
        match again[7] {
            u64::MAX => 0,
            depth => deeper(depth + 1) + again[9],
        }
    }
    let thread = std::thread::Builder::new().name("deep".into()).spawn(|| deeper(0));
    println!("deep: {:?}", thread.expect("a thread").join());
}

pub async fn overflow() {
    for _ in 0..3 {
        let host = std::env::current_exe().expect("a path");
        let ended = Command::new(host).arg("overflowing").output().expect("a process");
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        let out = String::from_utf8_lossy(&ended.stdout).into_owned();
        if ended.status.signal() != Some(6)
            || out != "ready\n"
            || !told.contains("thread 'deep' has overflowed its stack")
        {
            wrong(format!("a stack that overflows: {:?}, {out:?} {told:?}", ended.status));
            return;
        }
    }
    println!("3 stack overflows with 32 tasks in calls came to Rust's own handler of SIGSEGV");
}

pub async fn unload() {
    let both = Both::load(plugin::LOCAL);
    let before = both.submitted();
    let waits: Vec<_> =
        (0..16u64).map(|task| spawn_blocking(move || both.wait(300 + task, 400))).collect();
    tokio::task::block_in_place(|| both.await_submitted(before, 16));
    both.pricing.close();
    both.clock.close();
    for wait in waits {
        wait.await.expect("no panic");
    }
    let before = both.submitted();
    let again = Both::load(plugin::LOCAL);
    if (again.pricing.address(), again.clock.address())
        != (both.pricing.address(), both.clock.address())
        || again.submitted() != before + 1
    {
        wrong("loaded again it is another instance".into());
    }
    let codes = [
        again.pricing.configure(PRICING_CONFIG),
        again.pricing.configure(r#"{"max_connections":3}"#),
        again.clock.configure(CLOCK_CONFIG),
        again.clock.configure(r#"{"timeout_ms":7}"#),
    ];
    if codes != [0, 2, 0, 2] {
        wrong(format!("configure answers {codes:?}, not [0, 2, 0, 2]"));
    }
    static ROUNDS: AtomicUsize = AtomicUsize::new(0);
    crowd(32, |task| {
        for i in 0..50 {
            let own = Both::load(plugin::LOCAL);
            own.mixed(task + i);
            own.pricing.close();
            own.clock.close();
            ROUNDS.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    println!(
        "16 calls answered after dlclose; the same instance afterwards, configure {codes:?}; {} \
         times opened, called, closed by 32 tasks",
        ROUNDS.load(Ordering::SeqCst)
    );
}

/// Everything that may tempt a plugin to say something.
pub async fn quietly() {
    let both = Both::load(plugin::LOCAL);
    crowd(32, move |task| (0..20).for_each(|i| both.mixed(task + i))).await;
    both.expire(5);
    let status = unsafe {
        Command::new("true").pre_exec(move || {
            told(&both);
            Ok(())
        })
    }
    .status();
    if !matches!(status, Ok(code) if code.success()) {
        wrong(format!("a command: {status:?}"));
    }
    both.pricing.close();
    both.clock.close();
    if mistakes() == 0 {
        ready();
    }
}
