// Tells what a run of http-cache-tests says: node http-cache-tests.mjs PACKAGE RESULTS KNOWN
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [folder, resultsFile, knownFile] = process.argv.slice(2)
const load = async name => (await import(pathToFileURL(`${folder}/tests/${name}`))).default
const suites = await load('index.mjs')
const all = [...suites, await load('surrogate-control.mjs')]
const results = JSON.parse(readFileSync(resultsFile))
// A line of the file is a test's id and, behind it, why it fails.
const lines = readFileSync(knownFile, 'utf8').split('\n').filter(line => line.trim() && !line.startsWith('#'))
const known = new Map(lines.map(line => [line.split(/\s+/, 1)[0], line.replace(/^\S+\s*/, '')]))

const kinds = ['required', 'optimal', 'check']
const kindOf = test => test.kind ?? 'required'
const passed = test => results[test.id] === true
const total = Object.fromEntries(kinds.map(kind => [kind, [0, 0]]))
const failures = []
for (const suite of all) {
  const tests = suite.tests.filter(test => !test.browser_only)
  const figures = kinds.map(kind => {
    const mine = tests.filter(test => kindOf(test) === kind)
    const good = mine.filter(passed).length
    total[kind][0] += good
    total[kind][1] += mine.length
    return mine.length ? `${good}/${mine.length}`.padStart(9) : ' '.repeat(9)
  })
  console.log(`${suite.id.padEnd(20)}${figures.join(' ')}`)
  failures.push(...tests.filter(test => kindOf(test) === 'required' && !passed(test)))
}
const surrogates = all.at(-1).tests.filter(test => kindOf(test) === 'required')
const good = surrogates.filter(passed).length
console.log(`${'all'.padEnd(20)}${kinds.map(kind => total[kind].join('/').padStart(9)).join(' ')}   (required, optimal, yes)`)
console.log(`required of HTTP alone, without Surrogate-Control: ${total.required[0] - good}/${total.required[1] - surrogates.length}\n`)

let unknown = 0
for (const test of failures) {
  const why = known.get(test.id)
  if (why === undefined) unknown += 1
  const told = Array.isArray(results[test.id]) ? results[test.id].join(': ') : 'no result'
  console.log(`${why === undefined ? 'FAILED  ' : 'known   '}${test.id}: ${told}${why ? `\n        ${why}` : ''}`)
}
const mended = [...known.keys()].filter(id => !failures.some(test => test.id === id))
mended.forEach(id => console.log(`MENDED  ${id}: passes now; take it off the list`))
if (process.env.VERBOSE) {
  const wanted = process.env.VERBOSE.split(',')
  for (const suite of all) {
    for (const test of suite.tests.filter(test => !test.browser_only && wanted.includes(kindOf(test)) && !passed(test))) {
      console.log(`${kindOf(test)} ${test.id}: ${results[test.id]}`)
    }
  }
}
process.exit(unknown || mended.length ? 1 : 0)
