'use strict'
// What every part of the host uses: the addons, the plugins, and the answers
// that their tools must give.
const assert = require('assert')
const path = require('path')
const { Worker } = require('worker_threads')

const guest = require(process.env.GUEST)

const products = [
  '{"description":"15 bar pump, one group","id":1,"name":"Espresso Machine","price":449.95}',
  '{"description":"Conical burrs, 40 g hopper","id":2,"name":"Coffee Grinder","price":129.1}',
  '{"description":"0.9 l, variable temperature","id":3,"name":"Gooseneck Kettle","price":79.99}',
  '{"description":"0.1 g steps up to 2 kg","id":4,"name":"Digital Scale","price":24.5}',
  '{"description":"Each; sold by the hundred","id":5,"name":"Paper Filters","price":0.07}',
  '{"description":"600 ml, stainless steel","id":6,"name":"Milk Pitcher","price":18}',
  '{"description":"1 kg, medium roast","id":7,"name":"100% Arabica Beans","price":13.37}',
  '{"description":"58 mm, flat base","id":8,"name":"Tamper_58","price":32.25}',
  '{"description":"A price with 28 digits","id":9,"name":"Plantation Futures","price":1234567890123456.789012345678}'
]

const configuration =
  '{"database_url":"sqlite::memory:","max_connections":4,"timeout_seconds":20}'

/** Both plugins, configured and started: [pricing, clock]. */
function load (global = false) {
  return [process.env.PRICING, process.env.CLOCK].map(file => {
    const plugin = guest.load(file, global)
    assert.strictEqual(guest.configure(plugin, configuration), 0)
    assert.strictEqual(guest.init(plugin), null)
    return plugin
  })
}

/** The n-th call of a sequence that every thread can go through: its plugin,
 * tool and arguments, and a check of the answer. */
function nth ([pricing, clock], n) {
  const id = 1 + n % products.length
  switch (n % 5) {
    case 0:
      return [clock, 'wait_both', `{"first_ms":${n % 3},"second_ms":${n % 4}}`,
        (code, text) => {
          const answer = JSON.parse(text)
          assert.deepStrictEqual([code, answer.first_ms, answer.second_ms],
            [0, n % 3, n % 4])
          assert.ok(answer.elapsed_ms >= Math.max(n % 3, n % 4), text)
        }]
    case 1:
      return [pricing, 'search_products', `{"query":"${JSON.parse(products[id - 1]).name}"}`,
        (code, text) => assert.deepStrictEqual([code, text],
          [0, `{"count":1,"products":[${products[id - 1]}],"truncated":false}`])]
    case 2:
      if (n % 50 !== 2) break
      return [pricing, 'get_product_price', `{"product_id":${100 + n}}`,
        (code, text) => assert.deepStrictEqual([code, text],
          [1, `{"error":"Product ${100 + n} not found"}`])]
    case 3:
      if (n % 50 !== 3) break
      return [clock, 'wait_both', '{"first_ms":-1,"second_ms":0}',
        (code, text) => assert.deepStrictEqual([code, text],
          [1, '{"error":"first_ms and second_ms must be 0 to 60000"}'])]
  }
  return [pricing, 'get_product_price', `{"product_id":${id}}`,
    (code, text) => assert.deepStrictEqual([code, text], [0, products[id - 1]])]
}

/** One call on this thread. */
function callNow (plugins, n) {
  const [plugin, tool, args, check] = nth(plugins, n)
  check(...guest.call(plugin, tool, args))
}

/** One call on Node's pool. */
async function callLater (plugins, n) {
  const [plugin, tool, args, check] = nth(plugins, n)
  check(...await guest.callAsync(plugin, tool, args))
}

/** Workers of `job` (worker.js) with these data, each promising its report. */
function workers (count, data) {
  return Array.from({ length: count }, (_, index) => {
    const worker = new Worker(path.join(__dirname, 'worker.js'),
      { workerData: { ...data, index } })
    worker.report = new Promise((resolve, reject) => {
      let report
      worker.on('message', message => { report = message })
      worker.on('error', reject)
      worker.on('exit', code => resolve([code, report]))
    })
    return worker
  })
}

/** The next thing that a worker says. */
function said (worker) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

// Seconds that anything here may take: far longer than it does.
const patience = Number(process.env.PATIENCE || 30)

/** Ends this process with what is wrong, though calls are under way that Node
 * would wait for. */
function giveUp (what) {
  console.error(what)
  process.kill(process.pid, 'SIGKILL')
}

/** Waits until a condition holds, and no longer than so many seconds. */
async function until (what, condition, seconds = patience) {
  const end = Date.now() + seconds * 1000
  while (!condition()) {
    assert.ok(Date.now() < end, `not within ${seconds} s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

const wait = (first, timeout = 30000) =>
  `{"first_ms":${first},"second_ms":1,"timeout_ms":${timeout}}`

module.exports = {
  assert, guest, products, configuration, load, nth, callNow, callLater,
  workers, said, until, wait, patience, giveUp
}
