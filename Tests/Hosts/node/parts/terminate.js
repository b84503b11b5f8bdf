'use strict'
const manners = require('../manners.js')
const { assert, load, callNow, workers, said, until } = require('../common.js')

// Workers ended with calls in flight, and with promises of the engine open.
module.exports = async () => {
  const plugins = load()
  const engine = require(process.env.ENGINE)
  const round = async () => {
    const all = [...workers(4, { job: 'flood', plugins }),
      ...workers(2, { job: 'block', plugins, ms: 200 }),
      ...workers(4, { job: 'openPromises', plugins })]
    await Promise.all(all.map(said))
    await Promise.all(all.map(one => one.terminate()))
    for (let n = 0; n < 20; n++) callNow(plugins, n)
    for (let n = 0; n < 20; n++) assert.strictEqual(await engine.submit(n, n % 2, 0), 3 * n + 1)
  }
  const count = () => manners.lines(manners.descriptors()).length
  await round()
  const before = count()
  for (let i = 0; i < 5; i++) await round()
  await until('descriptors of ended workers', () => count() <= before)
  return '60 workers ended with calls in flight or 800 open promises each round; ' +
    `${before} descriptors before and after`
}
