//! tokio as the library behind blocking callers, in the three usual ways:
//!
//! - a dedicated bridge: one task owns the state and takes messages from an
//!   unbounded mpsc channel; a caller sends one with a oneshot sender and blocks
//!   in `blocking_recv`. On the multi-thread runtime with its defaults (mt), or
//!   on a current-thread runtime with a thread of its own (ct);
//! - no bridge: `Handle::spawn` for every call on the multi-thread runtime.
//!
//! Fair, because it is what tokio's own guide proposes for synchronous code, with
//! typed messages in place of boxed closures, link-time optimisation and aborting
//! panics.
use std::ffi::c_void;
use std::future::Future;
use std::os::raw::{c_int, c_uint};
use std::pin::Pin;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Sleep;

type Done = unsafe extern "C" fn(*mut c_void, c_int);
type Task = unsafe extern "C" fn(*mut c_void);

extern "C" {
    fn bench_handle(x: c_int) -> c_int;
    fn bench_count(count: *mut u64);
    fn bench_touch(data: *mut c_void, size: usize);
}

/// A pointer of the driver's, which sees to its safety.
pub struct Raw<T>(*mut T);
unsafe impl<T> Send for Raw<T> {}
impl<T> Raw<T> {
    /// Taken through a method, so that closures capture the wrapper whole.
    fn get(&self) -> *mut T {
        self.0
    }
}

pub enum Message {
    Call(c_int, oneshot::Sender<c_int>),
    Post(Raw<u64>),
    Submit(c_int, Done, Raw<c_void>),
    Offload(c_int, oneshot::Sender<c_int>),
    Copied(Vec<u8>, oneshot::Sender<Vec<u8>>),
    Handed(Raw<c_void>, usize, oneshot::Sender<()>),
    Run(Task, Raw<c_void>, oneshot::Sender<()>),
    Echo(oneshot::Sender<c_int>),
}

pub struct Subject {
    handle: Handle,
    bridge: Option<UnboundedSender<Message>>,
    runtime: Option<Runtime>,
    thread: Option<JoinHandle<()>>,
    timers: Vec<Pin<Box<Option<Sleep>>>>,
}

async fn bridge(mut messages: UnboundedReceiver<Message>) {
    while let Some(message) = messages.recv().await {
        act(message).await;
    }
}

async fn act(message: Message) {
    match message {
        Message::Call(x, reply) => drop(reply.send(unsafe { bench_handle(x) })),
        Message::Post(count) => unsafe { bench_count(count.get()) },
        Message::Submit(x, done, arg) => unsafe { done(arg.get(), bench_handle(x)) },
        Message::Offload(x, reply) => {
            tokio::task::spawn_blocking(move || reply.send(unsafe { bench_handle(x) }));
        }
        Message::Copied(mut bytes, reply) => {
            unsafe { bench_touch(bytes.as_mut_ptr().cast(), bytes.len()) };
            drop(reply.send(bytes.clone()));
        }
        Message::Handed(data, size, reply) => {
            unsafe { bench_touch(data.get(), size) };
            let _ = reply.send(());
        }
        Message::Run(task, arg, reply) => {
            // Without a budget of polls: the timers poll more than one has.
            tokio::task::unconstrained(Errand(task, arg)).await;
            let _ = reply.send(());
        }
        Message::Echo(reply) => drop(reply.send(listen().await)),
    }
}

/// A function of the driver's, as a future that is ready at once.
struct Errand(Task, Raw<c_void>);

impl Future for Errand {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        unsafe { (self.0)(self.1.get()) };
        Poll::Ready(())
    }
}

async fn listen() -> c_int {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("echo: cannot listen");
    let port = listener.local_addr().expect("echo: no address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("echo: TCP_NODELAY");
            tokio::spawn(async move {
                let mut bytes = [0u8; 4096];
                while let Ok(got) = stream.read(&mut bytes).await {
                    if got == 0 || stream.write_all(&bytes[..got]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    c_int::from(port)
}

impl Subject {
    /// To the bridge, or as a task of its own.
    fn send(&self, message: Message) {
        match &self.bridge {
            Some(bridge) => drop(bridge.send(message)),
            None => drop(self.handle.spawn(act(message))),
        }
    }

    fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Message) -> T {
        let (reply, answer) = oneshot::channel();
        self.send(make(reply));
        answer.blocking_recv().expect("the runtime is gone")
    }
}

/// kind: 0 bridge on the multi-thread runtime, 1 on a current-thread runtime, 2
/// no bridge.
#[no_mangle]
pub extern "C" fn tokio_start(kind: c_int) -> *mut Subject {
    let (sender, receiver) = unbounded_channel();
    let (handle, runtime, thread);
    if kind == 1 {
        let own = Builder::new_current_thread().enable_all().build().expect("no runtime");
        handle = own.handle().clone();
        runtime = None;
        thread = Some(std::thread::spawn(move || own.block_on(bridge(receiver))));
    } else {
        let own = Builder::new_multi_thread().enable_all().build().expect("no runtime");
        handle = own.handle().clone();
        if kind == 0 {
            own.spawn(bridge(receiver));
        }
        runtime = Some(own);
        thread = None;
    }
    let bridge = if kind == 2 { None } else { Some(sender) };
    Box::into_raw(Box::new(Subject { handle, bridge, runtime, thread, timers: Vec::new() }))
}

#[no_mangle]
pub unsafe extern "C" fn tokio_stop(ctx: *mut Subject) {
    let mut subject = Box::from_raw(ctx);
    subject.bridge = None; // closes the channel: the bridge ends
    if let Some(thread) = subject.thread.take() {
        thread.join().expect("the runtime's thread panicked");
    }
    drop(subject.runtime.take()); // joins the workers
}

#[no_mangle]
pub unsafe extern "C" fn tokio_sync(ctx: *mut Subject, x: c_int) -> c_int {
    (*ctx).ask(|reply| Message::Call(x, reply))
}

#[no_mangle]
pub unsafe extern "C" fn tokio_post(ctx: *mut Subject, count: *mut u64) {
    (*ctx).send(Message::Post(Raw(count)));
}

#[no_mangle]
pub unsafe extern "C" fn tokio_submit(ctx: *mut Subject, x: c_int, done: Done, arg: *mut c_void) {
    (*ctx).send(Message::Submit(x, done, Raw(arg)));
}

#[no_mangle]
pub unsafe extern "C" fn tokio_offload(ctx: *mut Subject, x: c_int) -> c_int {
    (*ctx).ask(|reply| Message::Offload(x, reply))
}

/// The answer's bytes; `tokio_free_bytes` frees them.
#[no_mangle]
pub unsafe extern "C" fn tokio_copied(ctx: *mut Subject, data: *mut c_void, size: usize) -> *mut u8 {
    let bytes = std::slice::from_raw_parts(data.cast::<u8>(), size).to_vec();
    let answer = (*ctx).ask(|reply| Message::Copied(bytes, reply));
    Box::into_raw(answer.into_boxed_slice()).cast()
}

#[no_mangle]
pub unsafe extern "C" fn tokio_free_bytes(data: *mut u8, size: usize) {
    drop(Box::from_raw(std::slice::from_raw_parts_mut(data, size)));
}

#[no_mangle]
pub unsafe extern "C" fn tokio_handed(ctx: *mut Subject, data: *mut c_void, size: usize) {
    (*ctx).ask(|reply| Message::Handed(Raw(data), size, reply))
}

#[no_mangle]
pub unsafe extern "C" fn tokio_on_loop(ctx: *mut Subject, task: Task, arg: *mut c_void) {
    (*ctx).ask(|reply| Message::Run(task, Raw(arg), reply))
}

#[no_mangle]
pub unsafe extern "C" fn tokio_echo(ctx: *mut Subject) -> c_int {
    (*ctx).ask(Message::Echo)
}

#[no_mangle]
pub unsafe extern "C" fn tokio_timer_open(ctx: *mut Subject, count: c_uint) {
    let subject = &mut *ctx;
    subject.timers = (0..count).map(|_| Box::pin(None)).collect();
}

/// A `Sleep` is armed when it is first polled, and cancelled when it is dropped;
/// its place stays, so that nothing is allocated.
#[no_mangle]
pub unsafe extern "C" fn tokio_timer_arm(ctx: *mut Subject, slot: c_uint, ms: c_uint) {
    let subject = &mut *ctx;
    let place = &mut subject.timers[slot as usize];
    place.set(Some(tokio::time::sleep(Duration::from_millis(u64::from(ms)))));
    let waker = nobody();
    let mut context = Context::from_waker(&waker);
    if let Some(sleep) = place.as_mut().as_pin_mut() {
        assert!(sleep.poll(&mut context).is_pending());
    }
}

#[no_mangle]
pub unsafe extern "C" fn tokio_timer_cancel(ctx: *mut Subject, slot: c_uint) {
    let subject = &mut *ctx;
    subject.timers[slot as usize].set(None);
}

#[no_mangle]
pub unsafe extern "C" fn tokio_timer_close(ctx: *mut Subject) {
    let subject = &mut *ctx;
    subject.timers.clear();
}

/// A waker that wakes nobody: no timer fires here.
fn nobody() -> Waker {
    const TABLE: RawWakerVTable =
        RawWakerVTable::new(|_| RawWaker::new(std::ptr::null(), &TABLE), |_| {}, |_| {}, |_| {});
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
}

// The channel alone.

pub struct Queue {
    sender: UnboundedSender<Raw<c_void>>,
    receiver: UnboundedReceiver<Raw<c_void>>,
}

#[no_mangle]
pub extern "C" fn tokio_queue_start() -> *mut Queue {
    let (sender, receiver) = unbounded_channel();
    Box::into_raw(Box::new(Queue { sender, receiver }))
}

#[no_mangle]
pub unsafe extern "C" fn tokio_queue_stop(ctx: *mut Queue) {
    drop(Box::from_raw(ctx));
}

#[no_mangle]
pub unsafe extern "C" fn tokio_queue_push(ctx: *mut Queue, item: *mut c_void) {
    let queue = &*ctx;
    drop(queue.sender.send(Raw(item)));
}

#[no_mangle]
pub unsafe extern "C" fn tokio_queue_pop(ctx: *mut Queue) -> *mut c_void {
    let queue = &mut *ctx;
    queue.receiver.try_recv().map_or(std::ptr::null_mut(), |item| item.get())
}
