'use strict'
const manners = require('../manners.js')
const { assert, load, callNow, callLater } = require('../common.js')

// Node's own threads come and go by name; the guests' are the new ones.
module.exports = async () => {
  await manners.settle()
  const id = line => line.split(' ')[0]
  const before = manners.lines(manners.threads()).map(id)
  const plugins = load()
  const engine = require(process.env.ENGINE)
  for (let n = 0; n < 100; n++) callNow(plugins, n)
  await Promise.all(Array.from({ length: 64 }, (_, n) =>
    Promise.all([callLater(plugins, n), engine.submit(n, -1, 0)])))
  const ours = manners.lines(manners.threads()).filter(line => !before.includes(id(line)))
  assert.ok(ours.length >= 2, 'the engines have threads')
  for (const line of ours) assert.match(line, / process$/, ours.join('\n'))
  // Idle: no thread of theirs runs for a second. The pools' extra threads may
  // leave meanwhile.
  let moved = ''
  for (let attempt = 0; attempt < 5; attempt++) {
    const counts = ours.map(line => manners.switches(id(line)))
    await new Promise(resolve => setTimeout(resolve, 1000))
    moved = ours.filter((line, i) => {
      const now = manners.switches(id(line))
      return now !== -1 && now !== counts[i]
    }).join(', ')
    if (moved === '') break
  }
  assert.strictEqual(moved, '', `threads that ran while idle: ${moved}`)
  return `${ours.length} threads block what is meant for the process and no fault; none ran for a second`
}
