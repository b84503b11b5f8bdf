'use strict'
const { guest, load, products, workers, said, until, wait } = require('../common.js')

// A Node that ends in one of several ways while calls are under way: on
// threads of its own, in workers, in the engine.
module.exports = async way => {
  const plugins = load()
  const [pricing, clock] = plugins
  const engine = require(process.env.ENGINE)
  guest.flood(way === 'workers' ? pricing : clock,
    way === 'workers' ? 'get_product_price' : 'wait_both',
    way === 'workers' ? '{"product_id":2}' : wait(60000), 0,
    way === 'workers' ? products[1] : '{', 16)
  for (let i = 0; i < 64; i++) {
    engine.submit(i, i % 2 ? 60000 : -1, 0).catch(() => {})
  }
  // Node joins its workers and the threads of its pool before it ends, so
  // these calls are short; what they call the plugin with is in flight then.
  const busy = workers(way === 'workers' ? 4 : 2, { job: 'flood', plugins })
  await Promise.all(busy.map(said))
  for (let i = 0; i < 8; i++) guest.callAsync(clock, 'wait_both', wait(30))
  switch (way) {
    case 'exit':
    case 'workers':
      process.exit(7)
      break
    case 'throw':
      setImmediate(() => { throw new Error('meant to be') })
      break
    case 'signal':
    case 'unhandled':
      if (way === 'signal') {
        for (const name of ['SIGINT', 'SIGTERM']) {
          process.on(name, () => { console.log(`${name} handled`); process.exit(9) })
        }
      }
      console.log('ready')
      setInterval(() => {}, 1000)
      break
    case 'return':
      // Nothing is left to wait for but what never ends by itself.
      busy.forEach(one => one.terminate())
      engine.cancelAll()
      process.exitCode = 8
      await until('calls', () => true)
  }
}
