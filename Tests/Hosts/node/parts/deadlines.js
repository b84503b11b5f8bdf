'use strict'
const { assert, guest, load, callNow, workers, wait, patience, giveUp } = require('../common.js')

module.exports = async () => {
  const plugins = load()
  const others = workers(8, { job: 'calls', plugins, calls: 100 })
  const begin = process.hrtime.bigint()
  // Longer than any deadline here and shorter than the calls.
  setTimeout(giveUp, patience * 1000, `no end within ${patience} s`).unref()
  const late = await Promise.all(Array.from({ length: 16 }, (_, i) =>
    guest.callAsync(plugins[1], 'wait_both', wait(60000, 40 + i))))
  const ms = Number((process.hrtime.bigint() - begin) / 1000000n)
  for (const [code, text] of late) {
    assert.deepStrictEqual([code, text], [1, '{"error":"no answer: deadline expired"}'])
  }
  assert.ok(ms >= 40 && ms < 20000, `${ms} ms`)
  for (let n = 0; n < 50; n++) callNow(plugins, n)
  for (const [code, calls] of await Promise.all(others.map(one => one.report))) {
    assert.deepStrictEqual([code, calls], [0, 100])
  }
  return `16 calls of 60 s ended at their deadlines of 40 to 55 ms, after ${ms} ms in all, beside 800 others`
}
