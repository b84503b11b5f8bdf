'use strict'
// The process as text (support/manners.h), and Node brought to rest before.
const crypto = require('crypto')
const fs = require('fs')
const net = require('net')
const { guest, workers } = require('./common.js')

/** Lets Node make what it makes late: its pool, a worker, a socket. */
async function settle () {
  await Promise.all(Array.from({ length: 32 }, () => fs.promises.readFile(__filename)))
  await Promise.all(Array.from({ length: 32 }, () =>
    new Promise(resolve => crypto.pbkdf2('a', 'b', 1, 8, 'sha1', resolve))))
  await Promise.all(workers(2, { job: 'calls', calls: 0 }).map(one => one.report))
  const server = net.createServer(socket => socket.end('x'))
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const client = net.connect(server.address().port, '127.0.0.1')
  await new Promise(resolve => client.on('close', resolve).resume())
  await new Promise(resolve => server.close(resolve))
}

/** The lines of `after` that `before` has not, and the other way round. */
function difference (before, after) {
  const [old, now] = [before, after].map(text => text.split('\n'))
  return [...old.filter(line => !now.includes(line)).map(line => '-' + line),
    ...now.filter(line => !old.includes(line)).map(line => '+' + line)].join('\n')
}

const lines = text => text.split('\n').filter(line => line !== '')

/** Voluntary context switches of a thread; -1 when it has ended. */
function switches (thread) {
  try {
    const text = fs.readFileSync(`/proc/self/task/${thread}/status`, 'utf8')
    return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(text)[1])
  } catch {
    return -1
  }
}

module.exports = {
  settle, difference, lines, switches,
  state: guest.state, descriptors: guest.descriptors, threads: guest.threads
}
