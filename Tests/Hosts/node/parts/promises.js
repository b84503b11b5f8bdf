'use strict'
const { assert, workers, patience, giveUp } = require('../common.js')
const engine = require(process.env.ENGINE)

// Ended calls of the engine come to Node's loops through the descriptor.
module.exports = async () => {
  const threads = workers(4, { job: 'promises', calls: 5000 })
  let settled = 0
  let ticks = 0
  const ticker = setInterval(() => ticks++, 1)
  // One that is lost says nothing of it.
  let seen = -1
  const watch = setInterval(() => {
    if (settled === seen) giveUp(`${settled} promises kept, and no more within ${patience} s`)
    seen = settled
  }, patience * 1000)
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 1000 }, async (_, i) => {
      const n = round * 1000 + i
      const pause = n % 101 === 0 ? 3 : n % 53 === 0 ? -1 : 0
      assert.strictEqual(await engine.submit(n, pause, 0), n * 3 + 1)
      settled++
    }))
  }
  clearInterval(watch)
  // What fails, is late or is cancelled rejects its promise, with its status.
  const status = promise => promise.then(() => 0, error => error.status)
  assert.strictEqual(await status(engine.submit(1, -2, 0)), -7)
  assert.strictEqual(await status(engine.submit(1, 60000, 20)), -1004)
  const cancelled = Array.from({ length: 50 }, () => status(engine.submit(1, 60000, 0)))
  engine.cancelAll()
  for (const one of await Promise.all(cancelled)) assert.strictEqual(one, -1005)
  for (const [code, batches] of await Promise.all(threads.map(one => one.report))) {
    assert.ok(code === 0 && batches > 0, `worker: ${code}, ${batches}`)
  }
  clearInterval(ticker)
  assert.ok(ticks > 0, 'the timer of the loop ran')
  assert.strictEqual(engine.libuv(), process.versions.uv.replace(/-.*/, ''))
  return `${settled + 4 * 5000} promises kept through the descriptor, ` +
    `${engine.batches()} batches on the main loop, 4 workers`
}
