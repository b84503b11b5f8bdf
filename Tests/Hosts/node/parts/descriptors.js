'use strict'
const { spawnSync } = require('child_process')
const manners = require('../manners.js')
const { assert, guest, load, callNow, callLater } = require('../common.js')

/** What a spawned child finds open: its streams, and what it opens to look. */
function inChild () {
  return spawnSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).stdout
}

module.exports = async () => {
  await manners.settle()
  const inherited = inChild()
  const before = manners.lines(manners.descriptors())
  const plugins = load()
  const engine = require(process.env.ENGINE)
  // As many at once as come later, so that every pool has grown.
  const several = times => Promise.all(Array.from({ length: times }, (_, n) =>
    Promise.all([callLater(plugins, n), engine.submit(n, n % 3 - 1, 0)])))
  await several(100)
  callNow(plugins, 0)
  const first = manners.lines(manners.descriptors())
  const ours = first.filter(line => !before.includes(line))
  assert.ok(ours.length > 0, 'the engines have descriptors')
  for (const line of ours) assert.match(line, /^\d+ cloexec /)
  for (let i = 0; i < 10; i++) await several(100)
  for (let n = 0; n < 1000; n++) callNow(plugins, n)
  const last = manners.lines(manners.descriptors())
  assert.strictEqual(last.length, first.length, manners.difference(first.join('\n'), last.join('\n')))
  assert.strictEqual(inChild(), inherited)
  assert.strictEqual(guest.call(plugins[1], 'health', '{}')[0], 0)
  return `${ours.length} descriptors, all close-on-exec, as many after 3,000 calls; none in a spawned child`
}
