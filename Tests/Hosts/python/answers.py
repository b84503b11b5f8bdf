"""Both plugins answer many threads at once: plain threads, a pool of
concurrent.futures, asyncio's to_thread, and processes that load them anew."""
import asyncio
import concurrent.futures as futures
import functools
import multiprocessing

from guest import Guests, Threads, need


def by_threads(guests, threads, each):
    def body(first):
        for number in range(first, first + each):
            guests.ask(number)
        guests.errors()

    Threads([functools.partial(body, i * each) for i in range(threads)]).join()


def by_pool(guests, threads, calls):
    with futures.ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(guests.ask, range(calls)):
            pass


async def by_asyncio(guests, tasks, each):
    async def one(first):
        for number in range(first, first + each):
            await asyncio.to_thread(guests.ask, number)

    loop = asyncio.get_running_loop()
    loop.set_default_executor(futures.ThreadPoolExecutor(tasks))
    await asyncio.gather(*(one(i * each) for i in range(tasks)))


def in_a_process(first):
    """Runs in a fresh interpreter, which knows nothing of this one's plugins."""
    guests = Guests()
    by_threads(guests, 4, 50)
    return guests.asked


def main():
    guests = Guests()
    tools = guests.pricing.tools() + guests.clock.tools()
    need(sorted(tools) == ["get_product_price", "health", "health", "search_products",
                           "wait_both"], f"{tools}")
    by_threads(guests, 16, 150)
    by_pool(guests, 16, 1500)
    asyncio.run(by_asyncio(guests, 32, 60))
    guests.health()
    with futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        elsewhere = sum(pool.map(in_a_process, range(2)))
    print(f"{guests.asked} calls by 16 threads, a pool of 16 and 32 asyncio tasks, "
          f"{elsewhere} more in spawned processes, each answer compared")


if __name__ == "__main__":
    main()
