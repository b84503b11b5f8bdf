'use strict'
// A worker thread: loads the addon for itself and calls the plugins, which
// the main thread has loaded.
const { workerData, parentPort } = require('worker_threads')
const { guest, callNow, wait, assert } = require('./common.js')

const { job, plugins, calls, index } = workerData

const jobs = {
  // So many calls in a row, each checked.
  calls () {
    for (let n = 0; n < calls; n++) callNow(plugins, n * 7 + index)
    parentPort.postMessage(calls)
  },
  // One long call, which the main thread does not wait for.
  block () {
    parentPort.postMessage('blocked')
    guest.call(plugins[1], 'wait_both', wait(workerData.ms))
    parentPort.postMessage('done')
  },
  // Calls for ever.
  flood () {
    parentPort.postMessage('calling')
    for (let n = index; ; n++) callNow(plugins, n)
  },
  // Promises of the engine, settled by this worker's own loop.
  async promises () {
    const engine = require(process.env.ENGINE)
    for (let round = 0; round < calls; round += 500) {
      await Promise.all(Array.from({ length: 500 }, async (_, i) => {
        const n = index * 1e6 + round + i
        assert.strictEqual(await engine.submit(n, n % 97 === 0 ? 2 : 0, 0),
          n * 3 + 1)
      }))
    }
    parentPort.postMessage(engine.batches())
  },
  // Promises that are still open when the worker is ended.
  openPromises () {
    const engine = require(process.env.ENGINE)
    for (let i = 0; i < 200; i++) engine.submit(i, i % 2 ? 60000 : -1, 0)
    parentPort.postMessage('open')
    setInterval(() => {}, 1000)
  }
}

jobs[job]()
