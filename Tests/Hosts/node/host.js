'use strict'
// node host.js PART [ARGUMENT...]: shows one promise; the last line says what
// was seen. What is wrong ends it with exit status 1.
const [part, ...rest] = process.argv.slice(2)

process.on('unhandledRejection', error => {
  console.error(error)
  process.exit(1)
})

Promise.resolve(require(`./parts/${part}.js`)(...rest)).then(line => {
  if (line !== undefined) console.log(line)
})
