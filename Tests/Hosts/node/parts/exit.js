'use strict'
const { spawn } = require('child_process')
const path = require('path')
const { assert, patience } = require('../common.js')

/** Runs leave.js; what it said and how it ended. It does not outlive us. */
function leave (way, onReady) {
  return new Promise((resolve, reject) => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath,
      path.join(__dirname, '..', 'host.js'), 'leave', way])
    const result = { out: '', err: '' }
    const begin = Date.now()
    const killer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${way}: no end within ${patience} s; it said: ${result.out}${result.err}`))
    }, patience * 1000)
    child.stdout.on('data', data => {
      result.out += data
      if (onReady && result.out.includes('ready')) { onReady(child); onReady = null }
    })
    child.stderr.on('data', data => { result.err += data })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(killer)
      resolve({ ...result, code, signal, ms: Date.now() - begin })
    })
  })
}

async function exits (times = '5') {
  const seen = {}
  const expected = { exit: 7, workers: 7, return: 8, throw: 1 }
  for (let i = 0; i < Number(times); i++) {
    // All have ended, by themselves or killed, before one is judged.
    const ended = await Promise.allSettled(Object.entries(expected).map(async ([way, code]) => {
      const end = await leave(way)
      assert.deepStrictEqual([way, end.code, end.signal, end.out], [way, code, null, ''], end.err)
      if (way === 'throw') assert.match(end.err, /Error: meant to be/)
      else assert.strictEqual(end.err, '')
      seen[way] = Math.max(seen[way] || 0, end.ms)
    }))
    for (const one of ended) if (one.status === 'rejected') throw one.reason
  }
  return `${times} times each, longest whole run: ` +
    Object.entries(seen).map(([way, ms]) => `${way} ${ms} ms`).join(', ')
}

module.exports = exits
module.exports.leave = leave
