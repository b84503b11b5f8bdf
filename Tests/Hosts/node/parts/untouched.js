'use strict'
const manners = require('../manners.js')
const { assert, load, callNow, callLater, workers } = require('../common.js')
const engine = () => require(process.env.ENGINE)

module.exports = async () => {
  await manners.settle()
  const before = manners.state()
  const plugins = load()
  const threads = workers(8, { job: 'calls', plugins, calls: 100 })
  await Promise.all(Array.from({ length: 100 }, (_, n) => callLater(plugins, n)))
  for (let n = 0; n < 100; n++) callNow(plugins, n)
  for (const [code] of await Promise.all(threads.map(one => one.report))) assert.strictEqual(code, 0)
  assert.strictEqual(await engine().submit(5, 1, 0), 16)
  const after = manners.state()
  assert.strictEqual(manners.difference(before, after), '')
  return `${before.split('\n').length - 1} lines of state are the same after load, 1,000 calls and the engine`
}
