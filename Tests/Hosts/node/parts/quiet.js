'use strict'
const { load, callNow, callLater, workers } = require('../common.js')

// Everything that could make a guest talk; run.sh looks at both streams.
module.exports = async () => {
  const plugins = load()
  const threads = workers(4, { job: 'calls', plugins, calls: 100 })
  await Promise.all(Array.from({ length: 100 }, (_, n) => callLater(plugins, n)))
  for (let n = 0; n < 100; n++) callNow(plugins, n)
  await Promise.all(threads.map(one => one.report))
  await require(process.env.ENGINE).submit(1, 0, 0)
  return 'host: 600 calls'
}
