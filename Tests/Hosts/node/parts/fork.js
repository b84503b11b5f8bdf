'use strict'
const { execFile, fork, spawn } = require('child_process')
const fs = require('fs')
const { assert, guest, load, products, callNow, until, wait } = require('../common.js')

// Forks by a native helper, and Node's own children (fork and exec), while 16
// threads call tools. Both plugins keep OB_FORK_FAIL: a child is told.
module.exports = async (times = '100') => {
  const plugins = load()
  const [pricing, clock] = plugins
  for (let n = 0; n < 20; n++) callNow(plugins, n)
  let forked = 0
  let inFlight = 0
  for (const [plugin, tool, args, begin] of [
    [pricing, 'get_product_price', '{"product_id":3}', products[2]],
    [clock, 'wait_both', wait(1), '{"first_ms":1,"second_ms":1,']]) {
    assert.strictEqual(guest.flood(plugin, tool, args, 0, begin, 16), 16)
    await until('calls', () => guest.flooded(false)[0] > 100)
    assert.strictEqual(
      guest.forks(plugin, tool, args, 1, 'parent process', Number(times)), 0,
      'children that did not end as they should')
    forked += Number(times)
    const children = Array.from({ length: 8 }, (_, i) => new Promise((resolve, reject) => {
      const child = i % 3 === 0
        ? spawn('sh', ['-c', `exit ${i}`])
        : i % 3 === 1
          ? fork('-e', [`process.exit(${i})`], { execArgv: [] })
          : execFile('sh', ['-c', `exit ${i}`], () => {})
      child.on('error', reject)
      child.on('exit', code => resolve(code))
    }))
    const codes = await Promise.all(children)
    codes.forEach((code, i) => { if (i % 3 !== 1) assert.strictEqual(code, i) })
    const [calls, wrong, first] = guest.flooded(true)
    assert.strictEqual(wrong, 0, first)
    inFlight += calls
  }
  for (let n = 0; n < 50; n++) callNow(plugins, n)
  assert.strictEqual(await require(process.env.ENGINE).submit(2, 1, 0), 7)
  const left = fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
  assert.strictEqual(left, '', 'children left')
  return `${forked} native forks and 16 of child_process during ${inFlight} calls of 16 threads; ` +
    'each child was told and ended, the parent lost none'
}
