// Headless Chromium on the page of readings: node run.js CHROMIUM PORT FOLDER
//
// Standard output has one JSON object a line: first the checks' names, then what became of each,
// and what the server is to do, which standard input answers by a line, empty if it was done.
// Ends when standard input ends, and the browser with it.
'use strict'
const { chromium } = require('playwright-core')
const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const { stripVTControlCharacters } = require('node:util')
const checks = require('./checks')

const [executablePath, port, folder] = process.argv.slice(2)
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync']
const CHECK_WITHIN = 40e3
const tell = message => fs.writeSync(1, JSON.stringify(message) + '\n')

// ---- the server, which another process holds

const answers = []
readline.createInterface({ input: process.stdin })
  .on('line', line => answers.shift()?.(line))
  .on('close', () => process.exit(1))

async function server(what) {
  tell({ server: what })
  const problem = await new Promise(done => answers.push(done))
  if (problem) throw new Error(`the server, told to ${what}: ${problem}`)
}

// ---- what no page may do

class Watch {
  constructor(host) {
    this.host = host
    this.problems = []
    // A browser reports each connection that fails as an error, also those that a check is about.
    this.failures = false
  }

  context(context) {
    context.setDefaultTimeout(8e3)
    context.on('request', request => this.url(request.url()))
    context.on('page', page => {
      page.on('websocket', socket => this.url(socket.url()))
      page.on('pageerror', error => this.problems.push(`uncaught: ${error.message}`))
      page.on('console', message => {
        const failure = /^WebSocket connection to .* failed/.test(message.text())
        if (['error', 'warning'].includes(message.type()) && !(failure && this.failures)) {
          this.problems.push(`console: ${message.text()}`)
        }
      })
    })
    return context
  }

  url(url) {
    if (!url.startsWith('data:') && new URL(url).host !== this.host) {
      this.problems.push(`a request to ${url}`)
    }
  }
}

// ---- the run

function within(limit, promise) {
  let timer
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`not done after ${limit / 1e3} s`)), limit)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function main() {
  tell({ checks: checks.map(([name]) => name) })
  const host = `127.0.0.1:${port}`
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS })
  const watch = new Watch(host)
  const desk = watch.context(await browser.newContext({
    viewport: { width: 1100, height: 720 }, colorScheme: 'light',
  }))
  const phone = watch.context(await browser.newContext({
    viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'light',
  }))
  const tabs = { page: await desk.newPage(), phone: await phone.newPage() }
  const shot = (page, name) => page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true })
  fs.rmSync(path.join(folder, 'failed.png'), { force: true })
  for (const [name, check] of checks) {
    const started = Date.now()
    let failed = null
    try {
      await within(CHECK_WITHIN, check({ ...tabs, host, server, watch, shot }))
    } catch (error) {
      failed = stripVTControlCharacters(error.message).slice(0, 900)
      await shot(tabs.page, 'failed').catch(() => {})
    }
    tell({ check: name, ms: Date.now() - started, failed })
  }
  await browser.close()
  process.exit(0)
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
