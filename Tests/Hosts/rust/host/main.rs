//! A host on tokio: 8 workers, and our plugins called from inside them. Each mode shows one
//! promise: `host MODE`, with $PRICING, $CLOCK, $MANNERS and $PRICING_COPY.
mod life;
mod manners;
mod plugin;
mod tasks;

use std::process::ExitCode;

const WORKERS: usize = 8;

async fn run(mode: String) -> u8 {
    match mode.as_str() {
        "answers" => tasks::answers().await,
        "loop" => tasks::own_loop().await,
        "stall" => tasks::stall().await,
        "deadlines" => tasks::deadlines().await,
        "untouched" => manners::untouched().await,
        "descriptors" => manners::descriptors().await,
        "threads" => manners::threads().await,
        "symbols-local" => manners::symbols(plugin::LOCAL).await,
        "symbols-global" => manners::symbols(plugin::GLOBAL).await,
        "quietly" => life::quietly().await,
        "fork" => life::forks().await,
        "exit" => life::leave().await,
        "exit-blocking" => life::leave_by_blocking().await,
        "exit-return" => {
            life::leave_by_return().await;
            return 7;
        }
        "signals" => life::signals().await,
        "overflow" => life::overflow().await,
        "overflowing" => life::overflowing().await,
        "unload" => life::unload().await,
        _ => {
            eprintln!("host: there is no mode {mode:?}");
            return 2;
        }
    }
    (plugin::mistakes() > 0) as u8
}

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    if mode == "current-thread" {
        tasks::current_thread();
        return ExitCode::from((plugin::mistakes() > 0) as u8);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(64)
        .enable_all()
        .build()
        .expect("a runtime");
    // On a worker, not on the thread of block_on.
    let code = runtime.block_on(async { tokio::spawn(run(mode)).await });
    runtime.shutdown_background();
    ExitCode::from(code.unwrap_or(101))
}
