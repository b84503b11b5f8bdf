//! A thread that takes messages from a channel and answers on a channel made for
//! the call: what Rust code without an async runtime does. One system each for
//! crossbeam-channel and flume, and their queues alone; of the standard library's
//! mpsc, whose sender threads may not share before Rust 1.72, the queue alone.
//!
//! Fair, because unbounded for requests and a capacity of one for the answer is
//! the idiom of both; typed messages, link-time optimisation, aborting
//! panics. The thread waits for messages only: it has no I/O, which favours it.
use std::ffi::c_void;
use std::os::raw::c_int;
use std::thread::JoinHandle;

type Done = unsafe extern "C" fn(*mut c_void, c_int);

extern "C" {
    fn bench_handle(x: c_int) -> c_int;
    fn bench_count(count: *mut u64);
}

/// A pointer of the driver's, which sees to its safety.
pub struct Raw<T>(*mut T);
unsafe impl<T> Send for Raw<T> {}

macro_rules! bridge {
    ($channel:ident, $start:ident, $stop:ident, $sync:ident, $post:ident, $submit:ident) => {
        pub mod $start {
            use super::*;
            use $channel::{bounded, unbounded, Receiver, Sender};

            pub enum Message {
                Call(c_int, Sender<c_int>),
                Post(Raw<u64>),
                Submit(c_int, Done, Raw<c_void>),
            }

            pub struct Subject {
                sender: Option<Sender<Message>>,
                thread: Option<JoinHandle<()>>,
            }

            fn serve(receiver: Receiver<Message>) {
                while let Ok(message) = receiver.recv() {
                    match message {
                        Message::Call(x, reply) => drop(reply.send(unsafe { bench_handle(x) })),
                        Message::Post(count) => unsafe { bench_count(count.0) },
                        Message::Submit(x, done, arg) => unsafe { done(arg.0, bench_handle(x)) },
                    }
                }
            }

            #[no_mangle]
            pub extern "C" fn $start() -> *mut Subject {
                let (sender, receiver) = unbounded();
                let thread = std::thread::spawn(move || serve(receiver));
                Box::into_raw(Box::new(Subject { sender: Some(sender), thread: Some(thread) }))
            }

            #[no_mangle]
            pub unsafe extern "C" fn $stop(ctx: *mut Subject) {
                let mut subject = Box::from_raw(ctx);
                subject.sender = None; // closes the channel: the thread ends
                subject.thread.take().map(JoinHandle::join);
            }

            fn send(ctx: *mut Subject, message: Message) {
                let subject = unsafe { &*ctx };
                let sender = subject.sender.as_ref();
                drop(sender.expect("stopped").send(message));
            }

            #[no_mangle]
            pub extern "C" fn $sync(ctx: *mut Subject, x: c_int) -> c_int {
                let (reply, answer) = bounded(1);
                send(ctx, Message::Call(x, reply));
                answer.recv().expect("no answer")
            }

            #[no_mangle]
            pub extern "C" fn $post(ctx: *mut Subject, count: *mut u64) {
                send(ctx, Message::Post(Raw(count)));
            }

            #[no_mangle]
            pub extern "C" fn $submit(ctx: *mut Subject, x: c_int, done: Done, arg: *mut c_void) {
                send(ctx, Message::Submit(x, done, Raw(arg)));
            }
        }
    };
}


bridge!(
    crossbeam_channel,
    crossbeam_start, crossbeam_stop, crossbeam_sync, crossbeam_post, crossbeam_submit
);
bridge!(flume, flume_start, flume_stop, flume_sync, flume_post, flume_submit);

macro_rules! queue {
    ($channel:ident, $start:ident, $stop:ident, $push:ident, $pop:ident) => {
        pub mod $start {
            use super::*;
            use $channel::{unbounded, Receiver, Sender};

            pub struct Queue(Sender<Raw<c_void>>, Receiver<Raw<c_void>>);

            #[no_mangle]
            pub extern "C" fn $start() -> *mut Queue {
                let (sender, receiver) = unbounded();
                Box::into_raw(Box::new(Queue(sender, receiver)))
            }

            #[no_mangle]
            pub unsafe extern "C" fn $stop(ctx: *mut Queue) {
                drop(Box::from_raw(ctx));
            }

            #[no_mangle]
            pub unsafe extern "C" fn $push(ctx: *mut Queue, item: *mut c_void) {
                let queue = &*ctx;
                drop(queue.0.send(Raw(item)));
            }

            #[no_mangle]
            pub unsafe extern "C" fn $pop(ctx: *mut Queue) -> *mut c_void {
                let queue = &*ctx;
                queue.1.try_recv().map_or(std::ptr::null_mut(), |item| item.0)
            }
        }
    };
}

queue!(
    crossbeam_channel,
    crossbeam_queue_start, crossbeam_queue_stop, crossbeam_push, crossbeam_pop
);
queue!(flume, flume_queue_start, flume_queue_stop, flume_push, flume_pop);

/// The standard library's: each thread has a sender of its own.
pub mod std_queue {
    use super::*;
    use std::cell::RefCell;
    use std::sync::mpsc::{channel, Receiver, Sender};
    use std::sync::Mutex;

    pub struct Queue(Mutex<Sender<Raw<c_void>>>, Receiver<Raw<c_void>>);

    thread_local! {
        static MINE: RefCell<Option<Sender<Raw<c_void>>>> = const { RefCell::new(None) };
    }

    #[no_mangle]
    pub extern "C" fn std_queue_start() -> *mut Queue {
        let (sender, receiver) = channel();
        Box::into_raw(Box::new(Queue(Mutex::new(sender), receiver)))
    }

    #[no_mangle]
    pub unsafe extern "C" fn std_queue_stop(ctx: *mut Queue) {
        drop(Box::from_raw(ctx));
    }

    #[no_mangle]
    pub unsafe extern "C" fn std_push(ctx: *mut Queue, item: *mut c_void) {
        let queue = &*ctx;
        MINE.with(|mine| {
            let mut mine = mine.borrow_mut();
            let sender = mine.get_or_insert_with(|| queue.0.lock().unwrap().clone());
            drop(sender.send(Raw(item)));
        });
    }

    #[no_mangle]
    pub unsafe extern "C" fn std_pop(ctx: *mut Queue) -> *mut c_void {
        let queue = &*ctx;
        queue.1.try_recv().map_or(std::ptr::null_mut(), |item| item.0)
    }
}
