'use strict'
const crypto = require('crypto')
const fs = require('fs')
const net = require('net')
const { assert, guest, load, callNow, workers, said, wait, patience, giveUp } = require('../common.js')

// An echo over loopback, timers, files and hashes go on while 16 workers and
// 8 of the pool's threads are blocked in tools.
module.exports = async () => {
  const plugins = load()
  const begin = process.hrtime.bigint()
  const blocked = workers(16, { job: 'block', plugins, ms: 1500 })
  await Promise.all(blocked.map(said))
  let over = false
  const later = Array.from({ length: 8 }, () =>
    guest.callAsync(plugins[1], 'wait_both', wait(1500)))
  Promise.all(later).then(() => { over = true })

  const server = net.createServer(socket => socket.pipe(socket))
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const client = net.connect(server.address().port, '127.0.0.1')
  let echoes = 0
  let ticks = 0
  let inside = 0
  const ticker = setInterval(() => {
    ticks++
    // A tool called on the loop's own thread, inside its callback.
    if (ticks % 20 === 0) callNow(plugins, 5 * inside++ + 4)
  }, 1)
  const waited = () => Number((process.hrtime.bigint() - begin) / 1000000n)
  while (!over) {
    // 24 waits of 1.5 s one after the other take 36 s.
    if (waited() > patience * 1000) giveUp(`the waits come in a row: ${waited()} ms, and no end`)
    const text = `echo ${echoes}`
    client.write(text)
    const [back] = await new Promise(resolve => client.once('data', (...all) => resolve(all)))
    assert.strictEqual(back.toString(), text)
    if (echoes++ % 50 === 0) {
      await fs.promises.readFile(__filename)
      await new Promise(resolve => crypto.pbkdf2('a', 'b', 1, 8, 'sha1', resolve))
    }
  }
  clearInterval(ticker)
  client.destroy()
  server.close()
  for (const [code, text] of await Promise.all(later)) {
    assert.ok(code === 0 && JSON.parse(text).elapsed_ms >= 1500, text)
  }
  for (const [code, report] of await Promise.all(blocked.map(one => one.report))) {
    assert.deepStrictEqual([code, report], [0, 'done'])
  }
  assert.ok(echoes >= 20 && ticks >= 20 && inside > 0,
    `${echoes} echoes, ${ticks} ticks, ${inside} calls`)
  return `${echoes} echoes, ${ticks} ticks and ${inside} tools called on the loop ` +
    'while 24 threads were blocked in tools'
}
