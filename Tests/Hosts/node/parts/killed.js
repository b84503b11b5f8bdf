'use strict'
const { leave } = require('./exit.js')
const { assert, guest, load, callNow, workers, said, products, until } = require('../common.js')

// A function that reads at an address: V8 lets the processor find out that it
// lies outside, and its SIGSEGV handler makes an exception of that.
const reads = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1,
  0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 102, 0, 0, 10, 9, 1, 7, 0, 32, 0, 40, 2, 0, 11])

module.exports = async (times = '3') => {
  const plugins = load()
  const threads = workers(4, { job: 'flood', plugins })
  await Promise.all(threads.map(said))
  guest.flood(plugins[0], 'get_product_price', '{"product_id":4}', 0, products[3], 16)
  // The host's handlers, on its thread, while calls are under way.
  const handled = { SIGINT: 0, SIGTERM: 0, SIGUSR2: 0 }
  for (const name of Object.keys(handled)) process.on(name, () => handled[name]++)
  for (let i = 1; i <= 25; i++) {
    for (const name of Object.keys(handled)) {
      process.kill(process.pid, name)
      await until(name, () => handled[name] === i)
    }
    callNow(plugins, i)
  }
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(reads)).exports
  for (let i = 0; i < 200; i++) assert.throws(() => f(0x7ffffff0), WebAssembly.RuntimeError)
  const [calls, wrong, first] = guest.flooded(true)
  assert.ok(calls > 0 && wrong === 0, `${wrong} of ${calls} wrong: ${first}`)
  await Promise.all(threads.map(one => one.terminate()))
  // A host whose handler ends it, and one without a handler.
  for (let i = 0; i < Number(times); i++) {
    for (const name of ['SIGINT', 'SIGTERM']) {
      const ended = await leave('signal', child => child.kill(name))
      assert.deepStrictEqual([ended.code, ended.out, ended.err], [9, `ready\n${name} handled\n`, ''])
      const killed = await leave('unhandled', child => child.kill(name))
      assert.deepStrictEqual([killed.signal, killed.out, killed.err], [name, 'ready\n', ''])
    }
  }
  return '25 times SIGINT, SIGTERM and SIGUSR2 on the main thread and 200 faults of WebAssembly ' +
    `during ${calls} calls, none wrong; ${4 * Number(times)} processes ended by a signal`
}
