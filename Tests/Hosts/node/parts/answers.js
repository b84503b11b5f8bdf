'use strict'
const { assert, guest, load, callNow, callLater, workers } = require('../common.js')

// 16 worker threads, 32 calls at once on Node's pool, and the main thread.
module.exports = async () => {
  const plugins = load()
  const [pricing, clock] = plugins
  const threads = workers(16, { job: 'calls', plugins, calls: 300 })
  const later = Array.from({ length: 32 }, async (_, task) => {
    for (let i = 0; i < 50; i++) await callLater(plugins, i * 11 + task)
  })
  for (let n = 0; n < 300; n++) {
    callNow(plugins, n)
    if (n % 10 === 0) await new Promise(setImmediate)
  }
  await Promise.all(later)
  for (const [code, calls] of await Promise.all(threads.map(one => one.report))) {
    assert.deepStrictEqual([code, calls], [0, 300])
  }
  for (const plugin of plugins) {
    assert.deepStrictEqual(guest.call(plugin, 'nonsense', '{}'),
      [1, '{"error":"Unknown tool: nonsense"}'])
  }
  assert.deepStrictEqual(guest.call(pricing, 'get_product_price', '{}'),
    [1, '{"error":"product_id is missing"}'])
  assert.strictEqual(guest.call(clock, 'wait_both', 'null')[0], 1)
  assert.strictEqual(JSON.parse(guest.call(clock, 'health', '{}')[1]).status, 'ok')
  return `${16 * 300 + 32 * 50 + 300} answers compared, from 16 workers, 32 tasks and the main thread`
}
