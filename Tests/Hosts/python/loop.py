"""asyncio's loop goes on while tools block 32 threads of its executor: it ticks,
and it answers datagrams. The control: tools that are called on the loop's own
thread stop it for as long as they take, so ticks are what they seem to be."""
import asyncio
import concurrent.futures as futures
import os
import socket
import sys
import threading
import time

from guest import Guests, need

TASKS, WAIT_MS = 16, 2000


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


class Inside:
    """How many threads are in a long call just now."""

    def __init__(self):
        self.count, self.lock = 0, threading.Lock()

    def add(self, number):
        with self.lock:
            self.count += number


class Ticks:
    """A callback each millisecond; what it counts is the loop's own life."""

    def __init__(self, inside):
        self.count, self.on = 0, True
        self.inside, self.meanwhile = inside, 0  # while all TASKS are in a call
        self.loop = asyncio.get_running_loop()
        self.loop.call_later(0.001, self.tick)

    def tick(self):
        self.count += 1
        self.meanwhile += self.inside.count == TASKS
        if self.on:
            self.loop.call_later(0.001, self.tick)


def ping(address, stop, answered):
    """On a thread: asks the loop, and the loop must answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(20)
        number = 0
        while not stop.is_set():
            number += 1
            peer.sendto(b"%d" % number, address)
            need(peer.recv(64) == b"%d" % number, "another's datagram")
            answered.append(number)
            time.sleep(0.005)


async def blocked(guests, ticks):
    """Calls that take WAIT_MS on as many threads as there are tasks."""

    def call():
        ticks.inside.add(1)
        guests.wait(WAIT_MS, 1)
        ticks.inside.add(-1)

    async def brief(first):
        for number in range(first, first + 40):
            await asyncio.to_thread(guests.search, number)

    started = threading.Barrier(TASKS + 8)  # starting threads is no test of the loop
    await asyncio.gather(*(asyncio.to_thread(started.wait) for _ in range(TASKS + 8)))
    calls = [asyncio.create_task(asyncio.to_thread(call)) for _ in range(TASKS)]
    calls += [asyncio.create_task(brief(i * 100)) for i in range(8)]
    while ticks.meanwhile < 5:
        await asyncio.sleep(0.001)
        if calls[0].done():  # the others would have to be awaited: they cannot
            print("stopped: the loop did not tick 5 times while all were in a call")
            sys.stdout.flush()
            os._exit(1)
    await asyncio.gather(*calls)
    return ticks.meanwhile


async def on_the_loop(guests, ticks):
    """Called from inside: right answers, but meanwhile the loop stands still."""
    before = ticks.count
    guests.wait(50, 20)
    for number in range(20):
        guests.ask(number)
    need(ticks.count == before, "ticks while the loop's thread was blocked")


async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(futures.ThreadPoolExecutor(TASKS + 16))
    guests = await asyncio.to_thread(Guests)
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    ticks = Ticks(Inside())
    stop, answered = threading.Event(), []
    peer = asyncio.create_task(
        asyncio.to_thread(ping, transport.get_extra_info("sockname"), stop, answered))
    counted = await blocked(guests, ticks)
    need(len(answered) >= 5, f"the loop answered {len(answered)} datagrams")
    await on_the_loop(guests, ticks)
    stop.set()
    await peer
    ticks.on = False
    transport.close()
    print(f"{counted} ticks and {len(answered)} datagrams of asyncio's loop while "
          f"{TASKS + 8} threads called; {guests.asked} calls, 21 of them on the loop")


asyncio.run(main())
