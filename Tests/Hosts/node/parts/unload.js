'use strict'
const { assert, guest, load, products, configuration, callNow, until, wait } = require('../common.js')

module.exports = async (times = '20') => {
  const plugins = load()
  const [pricing, clock] = plugins
  let inFlight = 0
  for (let i = 0; i < Number(times); i++) {
    for (const [plugin, tool, args, begin, file] of [
      [pricing, 'get_product_price', '{"product_id":6}', products[5], process.env.PRICING],
      [clock, 'wait_both', wait(3), '{"first_ms":3,"second_ms":1,', process.env.CLOCK]]) {
      guest.flood(plugin, tool, args, 0, begin, 16)
      await until('calls', () => guest.flooded(false)[0] > 16)
      assert.strictEqual(guest.unload(plugin), 0)
      const there = guest.flooded(false)[0]
      await until('calls after dlclose', () => guest.flooded(false)[0] > there + 16)
      const again = guest.load(file, false)
      assert.strictEqual(guest.configure(again, configuration), 0)
      if (file === process.env.PRICING) {
        assert.strictEqual(guest.configure(again, '{"max_connections":3}'), 2)
      }
      assert.strictEqual(guest.init(again), null)
      const [code, text] = guest.call(again, tool, args)
      assert.ok(code === 0 && text.startsWith(begin), text)
      const [calls, wrong, first] = guest.flooded(true)
      assert.strictEqual(wrong, 0, first)
      inFlight += calls
    }
  }
  for (let n = 0; n < 50; n++) callNow(plugins, n)
  return `${2 * Number(times)} times dlclose during ${inFlight} calls of 16 threads, none wrong; ` +
    'loaded again it is the same instance'
}
