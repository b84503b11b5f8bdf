'use strict'
const { assert, guest, load, callNow } = require('../common.js')

// SYMBOLS: what the plugins' dynamic symbol tables define. run.sh looks at the
// loader's own account of this very process (LD_DEBUG) as well.
module.exports = async mode => {
  const known = ['uv_loop_init', 'uv_run', 'uv_version_string', 'sqlite3_open_v2',
    'swift_retain', 'swift_task_create', 'ob_engine_start', 'ob_call', 'mcp_reply']
  const before = known.map(guest.file)
  const plugins = load(mode === 'global')
  for (let n = 0; n < 100; n++) callNow(plugins, n)
  assert.deepStrictEqual(known.map(guest.file), before)
  const own = process.env.SYMBOLS.split(/\s+/).filter(name => name !== '')
  assert.ok(own.includes('plugin_declaration'), 'looked at something')
  for (const name of own) {
    if (name === 'plugin_declaration') continue
    assert.ok(![process.env.PRICING, process.env.CLOCK].includes(guest.file(name)),
      `${name} of a plugin is seen by the whole process`)
  }
  const engine = require(process.env.ENGINE)
  assert.strictEqual(await engine.submit(1, 0, 0), 4)
  assert.strictEqual(await engine.submit(1, -1, 0), 4)
  return `Node's libuv is ${process.versions.uv}, in ${guest.file('uv_run')}`
}
