"""An event loop of Python's on a thread of its own, called by blocking threads.

asyncio and uvloop through run_coroutine_threadsafe(...).result(), anyio through
its blocking portal: what each documents for synchronous code. Fair, because the
interpreter is the distribution's optimised one, and a caller is a thread that
Python knows, which takes the interpreter lock for its call only.

The driver embeds this file; _bench is its module.
"""
import asyncio
import threading

import _bench


async def handle(x):
    return _bench.handle(x)


class LoopBridge:
    """asyncio's interface, whatever implements it."""

    def __init__(self, loop):
        self.loop = loop
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def sync(self, x):
        return asyncio.run_coroutine_threadsafe(handle(x), self.loop).result()

    async def forward(self, x):
        return await self.loop.run_in_executor(None, _bench.handle, x)

    def offload(self, x):
        done = asyncio.run_coroutine_threadsafe(self.forward(x), self.loop)
        return done.result()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class PortalBridge:
    """anyio's."""

    def __init__(self):
        from anyio import from_thread, to_thread
        self.to_thread = to_thread
        self.entered = from_thread.start_blocking_portal()
        self.portal = self.entered.__enter__()

    def sync(self, x):
        return self.portal.call(handle, x)

    def offload(self, x):
        return self.portal.call(self.to_thread.run_sync, _bench.handle, x)

    def stop(self):
        self.entered.__exit__(None, None, None)


def start(kind):
    if kind == "anyio":
        return PortalBridge()
    if kind == "uvloop":
        import uvloop
        return LoopBridge(uvloop.new_event_loop())
    return LoopBridge(asyncio.new_event_loop())
