//! Calls from inside the runtime: answers, the runtime going on, deadlines.
use crate::plugin::{self, mistakes, wrong, Both, Plugin};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{spawn, spawn_blocking};

/// Runs a body in so many tasks at once, on the runtime's worker threads.
pub async fn crowd(tasks: usize, body: impl Fn(usize) + Copy + Send + Sync + 'static) {
    let all: Vec<_> = (0..tasks).map(|task| spawn(async move { body(task) })).collect();
    for one in all {
        one.await.expect("a task that does not panic");
    }
}

/// The same on the threads of spawn_blocking.
async fn crowd_blocking(tasks: usize, body: impl Fn(usize) + Copy + Send + Sync + 'static) {
    let all: Vec<_> = (0..tasks).map(|task| spawn_blocking(move || body(task))).collect();
    for one in all {
        one.await.expect("a call that does not panic");
    }
}

pub async fn answers() {
    let both = Both::load(plugin::LOCAL);
    let begin = Instant::now();
    // Turn by turn, so that the tasks change threads between their calls.
    let each = |task: usize| async move {
        for i in 0..60 {
            both.mixed(task * 7 + i);
            tokio::task::yield_now().await;
        }
    };
    let tasks: Vec<_> = (0..32).map(|task| spawn(each(task))).collect();
    let blocking = crowd_blocking(32, move |task| (0..60).for_each(|i| both.mixed(task + i)));
    blocking.await;
    for task in tasks {
        task.await.expect("a task that does not panic");
    }
    tokio::task::block_in_place(|| both.mixed(0));
    println!(
        "32 tasks on worker threads and 32 of spawn_blocking: {} prices and as many waits, each \
         compared, in {} ms; the same calls to a plugin with a tokio inside: {}",
        64 * 60,
        begin.elapsed().as_millis(),
        rival().await
    );
}

/// What a guest that uses tokio's block_on does on a worker thread.
async fn rival() -> String {
    std::panic::set_hook(Box::new(|_| {}));
    let tasks: Vec<_> =
        (0..32).map(|_| spawn(async { guest::wait(Duration::from_millis(1)) })).collect();
    let (mut panics, mut text) = (0, String::new());
    for task in tasks {
        if let Err(why) = task.await.expect("caught") {
            panics += 1;
            text = why.split('.').next().unwrap_or("").to_string();
        }
    }
    let _ = std::panic::take_hook();
    if panics != 32 || !text.starts_with("Cannot start a runtime") {
        wrong(format!("the guest with block_on: {panics} of 32 panicked ({text})"));
    }
    format!("{panics} of 32 panicked ({text})")
}

/// Runs a body on every worker of the runtime at the same time: no worker is left over until all
/// of them are done. How many bodies said yes.
async fn on_every_worker(body: impl Fn() -> bool + Copy + Send + Sync + 'static) -> usize {
    let meet = Arc::new(Barrier::new(crate::WORKERS));
    let tasks: Vec<_> = (0..crate::WORKERS)
        .map(|_| {
            let meet = meet.clone();
            spawn(async move {
                meet.wait();
                let said = body();
                meet.wait();
                said
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await.expect("a task that does not panic") as usize;
    }
    count
}

/// Every worker of the runtime is in a tool, so that the runtime itself stands still; a guest
/// that needs it to go on for its answer never has one.
pub async fn stall() {
    let both = Both::load(plugin::LOCAL);
    let ours = on_every_worker(move || {
        both.mixed(0);
        both.wait(100, 50);
        both.expire(20);
        mistakes() == 0
    })
    .await;
    if ours != crate::WORKERS {
        wrong(format!("only {ours} of the workers were answered right"));
    }
    let rivals =
        on_every_worker(|| guest::wait_on_host(Duration::from_millis(1), Duration::from_secs(2)))
            .await;
    if rivals != 0 {
        wrong(format!("{rivals} calls of a guest on the host's runtime were answered"));
    }
    println!(
        "{ours} of {ours} workers answered while all of them were in tools; of a guest that waits \
         on the host's runtime, {rivals} in 2 s"
    );
}

const WAIT_MS: u64 = 2000;
const LEAST_TICKS: usize = 20;

/// A runtime of 8 workers goes on with timers and sockets while 4 of them, and 28 threads of
/// spawn_blocking, are in tools; each tick calls both plugins on a worker.
pub async fn own_loop() {
    let both = Both::load(plugin::LOCAL);
    let ticks = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let waits: Vec<_> = (0..32u64)
        .map(|task| {
            let (ticks, over) = (ticks.clone(), over.clone());
            let call = move || {
                both.wait(WAIT_MS, WAIT_MS - task);
                // The first answer judges: a runtime that is held up is so for long.
                let count = ticks.load(Ordering::SeqCst);
                if !over.swap(true, Ordering::SeqCst) && count < LEAST_TICKS {
                    eprintln!("the runtime ticked {count} times while tools waited {WAIT_MS} ms");
                    std::process::exit(1);
                }
            };
            if task < 4 {
                spawn(async move { call() })
            } else {
                spawn_blocking(call)
            }
        })
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let echo = spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a peer");
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    let (ticks_here, over_here) = (ticks.clone(), over.clone());
    let ticker = spawn(async move {
        let mut stream = TcpStream::connect(address).await.expect("an echo");
        let mut timer = tokio::time::interval(Duration::from_millis(2));
        while !over_here.load(Ordering::SeqCst) {
            timer.tick().await;
            let mut byte = [7u8];
            stream.write_all(&byte).await.expect("written");
            stream.read_exact(&mut byte).await.expect("echoed");
            both.price(ticks_here.load(Ordering::SeqCst));
            both.submitted();
            ticks_here.fetch_add(1, Ordering::SeqCst);
        }
    });
    ticker.await.expect("a ticker that does not panic");
    for wait in waits {
        wait.await.expect("a wait that does not panic");
    }
    echo.await.expect("an echo that ends");
    println!(
        "timer and TCP echo of the runtime answered {} times, each with a call of both plugins, \
         while 4 of its 8 workers and 28 of spawn_blocking waited {WAIT_MS} ms in tools",
        ticks.load(Ordering::SeqCst)
    );
}

/// A runtime of one thread: the tool blocks that thread, and nothing else.
pub fn current_thread() {
    let both = Both::load(plugin::LOCAL);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        for i in 0..200 {
            both.mixed(i);
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        std::panic::set_hook(Box::new(|_| {}));
        if guest::wait(Duration::from_millis(1)).is_ok() {
            wrong("the guest with block_on did not panic".into());
        }
        let _ = std::panic::take_hook();
    });
    let _inside = runtime.enter();
    (0..200).for_each(|i| both.mixed(i));
    println!("200 rounds of calls inside block_on of a current-thread runtime, 200 under enter()");
}

/// Locks the database from another process while the body runs.
fn while_locked(path: &str, body: impl FnOnce()) {
    let script = "import fcntl, sys; f = open(sys.argv[1], 'r+b'); \
                  fcntl.lockf(f, fcntl.LOCK_EX, 512, 1 << 30); print('locked', flush=True); \
                  sys.stdin.read()";
    let mut locker = Command::new("python3")
        .args(["-c", script, path])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut line = String::new();
    let told = BufReader::new(locker.stdout.take().expect("piped")).read_line(&mut line);
    assert!(told.is_ok() && line == "locked\n", "the database cannot be locked");
    body();
    drop(locker.stdin.take());
    locker.wait().expect("an end");
}

/// The host's own deadlines: tokio stops waiting, and aborts the tasks; the calls go on to their
/// answers all the same.
async fn give_up(both: Both) {
    static ANSWERED: AtomicUsize = AtomicUsize::new(0);
    let calls: Vec<_> = (0..32u64)
        .map(|task| {
            let call = spawn_blocking(move || {
                both.wait(500, task);
                ANSWERED.fetch_add(1, Ordering::SeqCst);
            });
            tokio::time::timeout(Duration::from_millis(10), call)
        })
        .collect();
    for call in calls {
        if call.await.is_ok() {
            wrong("a wait of 500 ms was over after 10 ms".into());
        }
    }
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            spawn(async move {
                loop {
                    both.mixed(0);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.abort();
        match task.await {
            Err(why) if why.is_cancelled() => (),
            other => wrong(format!("an aborted task: {other:?}")),
        }
    }
    let begin = Instant::now();
    while ANSWERED.load(Ordering::SeqCst) < 32 && begin.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if ANSWERED.load(Ordering::SeqCst) < 32 {
        wrong("calls that the host gave up were never answered".into());
    }
}

pub async fn deadlines() {
    let both = Both::load(plugin::LOCAL);
    static ENDING: AtomicUsize = AtomicUsize::new(16);
    static OTHERS: AtomicUsize = AtomicUsize::new(0);
    crowd_blocking(32, move |task| {
        if task < 16 {
            for _ in 0..10 {
                if plugin::mistakes() == 0 {
                    both.expire(20 + task as u64);
                }
            }
            ENDING.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        while ENDING.load(Ordering::SeqCst) != 0 {
            both.mixed(task + OTHERS.fetch_add(1, Ordering::SeqCst));
        }
    })
    .await;
    give_up(both).await;
    // An own instance, since the other one is configured already.
    let path = format!("{}/deadline.db", std::env::var("HOME").expect("HOME"));
    let _ = std::fs::remove_file(&path);
    let config = format!(r#"{{"database_url":"sqlite:{path}","timeout_seconds":2}}"#);
    let copy = std::env::var("PRICING_COPY").expect("set PRICING_COPY");
    let pricing = Plugin::load(&copy, &config, plugin::LOCAL);
    plugin::price(&pricing, 0);
    let calls = || {
        let handle = tokio::runtime::Handle::current();
        handle.block_on(crowd_blocking(16, move |_| {
            let (code, text) = pricing.call("get_product_price", r#"{"product_id":1}"#);
            if code != 1 || !text.contains("Timed out after 2 s") {
                wrong(format!("a locked database: {code} {text}"));
            }
        }))
    };
    tokio::task::block_in_place(|| while_locked(&path, calls));
    plugin::price(&pricing, 0);
    println!(
        "160 waits of 3 s ended at 20 to 35 ms while {} rounds of other calls were answered; 16 \
         calls of a locked database at 2 s; 32 calls that tokio gave up went on to their answer",
        OTHERS.load(Ordering::SeqCst)
    );
}
