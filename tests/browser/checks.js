// What must hold of the page of readings, in this order: each check finds the tabs as the one
// before left them.
'use strict'
const assert = require('node:assert/strict')
const http = require('node:http')

const sleep = ms => new Promise(done => setTimeout(done, ms))
const text = (page, id) => page.locator(`#${id}`).textContent()
const number = async (page, id) => Number(await text(page, id))
const led = page => page.getByRole('switch', { name: 'LED' })
const binary = page => page.getByRole('switch', { name: 'Readings as binary frames' })

// Waits until the element's text is as wanted.
async function until(page, id, wanted, ms = 5e3) {
  const deadline = Date.now() + ms
  for (;;) {
    const seen = await text(page, id)
    if (typeof wanted == 'function' ? wanted(seen) : wanted.test(seen)) return seen
    if (Date.now() > deadline) throw new Error(`#${id} says '${seen}' after ${ms / 1e3} s, not ${wanted}`)
    await sleep(20)
  }
}

// How many pixels of each plot are in colour: the curves.
const curves = page => page.evaluate(() => Array.from(document.querySelectorAll('canvas'), canvas => {
  // From a copy: Chromium warns where a canvas that is drawn to is read often.
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true })
  copy.drawImage(canvas, 0, 0)
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height)
  let coloured = 0
  for (let i = 0; i < data.length; i += 4) {
    const rgb = data.slice(i, i + 3)
    if (data[i + 3] > 99 && Math.max(...rgb) - Math.min(...rgb) > 60) coloured++
  }
  return coloured
}))

// What a page's script sees of a WebSocket that sends these messages, awaits as many, and closes.
// A number stands for that many bytes.
const talk = (page, url, protocols, messages, close) => page.evaluate(([url, protocols, messages, close]) => new Promise(done => {
  const seen = { opened: false, got: [] }
  const socket = new WebSocket(url, protocols)
  socket.binaryType = 'arraybuffer'
  const bytes = length => Uint8Array.from({ length }, (_, i) => i * 7)
  const describe = data => typeof data == 'string' ? data
    : new Uint8Array(data).every((byte, i) => byte == (i * 7 & 255)) ? data.byteLength : 'other bytes'
  const step = () => {
    const next = messages[seen.got.length]
    if (next === undefined) socket.close(...close)
    else socket.send(typeof next == 'number' ? bytes(next) : next)
  }
  socket.onopen = () => { seen.opened = true; seen.protocol = socket.protocol; step() }
  socket.onmessage = ({ data }) => { if (messages.length) { seen.got.push(describe(data)); step() } }
  socket.onclose = ({ code, reason, wasClean }) => done({ ...seen, code, reason, wasClean })
  setTimeout(() => done({ ...seen, late: true }), 15e3)
}), [url, protocols, messages, close])

const get = (host, path, headers) => new Promise((done, fail) => {
  http.get(`http://${host}${path}`, { headers }, response => {
    const parts = []
    response.on('data', part => parts.push(part)).on('error', fail)
    response.on('end', () => done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }))
  }).on('error', fail)
})

async function loads({ page, phone, host }) {
  await phone.goto(`http://${host}/`)
  const response = await page.goto(`http://${host}/`)
  assert.equal(response.status(), 200)
  const headers = response.headers()
  assert.equal(headers['content-type'], 'text/html; charset=utf-8')
  assert.equal(headers['content-encoding'], 'gzip')
  assert.match(headers['content-security-policy'], /^default-src 'none';/)
  const plain = await get(host, '/', {})
  assert.equal(plain.status, 200)
  assert.equal(plain.headers['content-encoding'], undefined)
  assert.equal(Number(plain.headers['content-length']), plain.body.length)
  assert.ok(plain.body.equals(await response.body()), 'the compressed copy is another page')
}

async function readings({ page }) {
  await until(page, 'state', /^Open, readings\.v1$/)
  await until(page, 'device', /./)
  for (const id of ['temp', 'load', 'mem']) await until(page, id, /^\d+\.\d+$/)
  const before = await text(page, 'temp')
  await until(page, 'temp', seen => seen !== before)
}

async function plotMoves({ page }) {
  const before = await curves(page)
  await sleep(2500)
  const after = await curves(page)
  after.forEach((count, i) => assert.ok(count > before[i] + 20, `plot ${i}: ${before[i]} then ${count} pixels of the curve`))
}

async function roundTrip({ page }) {
  await until(page, 'rtt', seen => Number(seen) >= 0 && Number(seen) < 1000)
  await until(page, 'rtt2', /^ping by the device \d+\.\d ms$/)
}

async function command({ page, phone }) {
  for (const on of [true, false, true]) {
    await led(page).click()
    await until(page, 'ack', new RegExp(`^Acknowledged after [\\d.]+ ms: .*"led": ?${on}`))
    await phone.locator(on ? '#lamp.on' : '#lamp:not(.on)').waitFor()
    assert.equal(await led(phone).isChecked(), on, 'the other page shows something else')
    assert.equal(await led(page).isChecked(), on)
  }
}

async function rate({ page }) {
  const slider = page.getByRole('slider', { name: /^A reading every/ })
  await slider.fill('100')
  await until(page, 'ack', /"ms": ?100/)
  const before = await number(page, 'texts')
  await sleep(2e3)
  const count = await number(page, 'texts') - before
  // Twenty readings, two echoes, one or two pings; a busy machine may be late.
  assert.ok(count >= 15 && count <= 27, `${count} messages in 2 s`)
}

async function bothKinds({ page }) {
  assert.equal(await number(page, 'binaries'), 0)
  await binary(page).click()
  await until(page, 'ack', /"binary": ?true/)
  await until(page, 'binaries', seen => Number(seen) >= 5)
  await until(page, 'last', /^([0-9a-f]{2} ){12}0[01]$/)
  const temp = await number(page, 'temp')
  assert.ok(temp > 15 && temp < 35, `${temp} °C`)
  assert.match(await text(page, 'mem'), /^\d+\.\d$/)
  await binary(page).click()
  await until(page, 'ack', /"binary": ?false/)
  const count = await number(page, 'binaries')
  await until(page, 'last', /"temp"/)
  await sleep(500)
  assert.equal(await number(page, 'binaries'), count)
}

async function refused({ page, host }) {
  const { got } = await talk(page, `ws://${host}/readings`, [], ['{"cmd":"format flash"}'], [1000])
  // The first message is the device's greeting.
  assert.match(String(got[0]), /"device"/)
  const naks = await page.evaluate(url => new Promise((done, fail) => {
    const seen = [], socket = new WebSocket(url, 'readings.v1')
    const asked = ['', 'led', '{}', '{"cmd":"format flash"}', '{"cmd":"led"}', '['.repeat(9999)]
    socket.onopen = () => asked.forEach(text => socket.send(text))
    socket.onmessage = ({ data }) => {
      if ('nak' in JSON.parse(data) && seen.push(data) == asked.length) { socket.close(); done(seen) }
    }
    socket.onclose = ({ code }) => fail(new Error(`closed with ${code} after ${seen}`))
    setTimeout(() => fail(new Error(`only ${seen} after 5 s`)), 5e3)
  }), `ws://${host}/readings`)
  assert.equal(naks.length, 6)
}

async function echoes({ page, host }) {
  const messages = ['héllo 🦀', '', 0, 1, 125, 126, 65535, 65536, 'x'.repeat(70000), 1 << 20]
  const seen = await talk(page, `ws://${host}/echo`, [], messages, [3001, 'bye é'])
  assert.deepEqual(seen, { opened: true, protocol: '', got: messages, code: 3001, reason: '', wasClean: true })
}

// The server answers a Close with the page's code (RFC 6455 section 5.5.1), without its reason.
async function closeCodes({ page, host }) {
  for (const [close, code, reason] of [
    [[], 1005, ''],
    [[1000], 1000, ''],
    [[1000, 'done'], 1000, ''],
    [[4999, 'r'.repeat(123)], 4999, ''],
  ]) {
    const seen = await talk(page, `ws://${host}/echo`, [], ['x'], close)
    assert.deepEqual(seen, { opened: true, protocol: '', got: ['x'], code, reason, wasClean: true })
  }
}

async function subprotocol({ page, host, watch }) {
  const url = `ws://${host}/readings`
  const chosen = await talk(page, url, ['nothing.v9', 'readings.v1', 'readings.v2'], [], [1000])
  assert.equal(chosen.protocol, 'readings.v1')
  assert.equal(chosen.code, 1000)
  const none = await talk(page, url, [], [], [1000])
  assert.deepEqual([none.opened, none.protocol, none.code], [true, '', 1000])
  watch.failures = true
  const unknown = await talk(page, url, ['nothing.v9'], [], [1000])
  watch.failures = false
  assert.deepEqual([unknown.opened, unknown.code, unknown.wasClean], [false, 1006, false])
}

async function button({ page }) {
  await page.getByRole('button', { name: 'Disconnect' }).click()
  await until(page, 'state', /^Closed, 1000 ?$/)
  assert.ok(await led(page).isDisabled())
  await sleep(1500)
  assert.equal(await text(page, 'state'), 'Closed, 1000 ', 'it came back by itself')
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await until(page, 'state', /^Open/)
  await led(page).click()
  await until(page, 'ack', /"led"/)
}

async function killed({ page, server, watch }) {
  await page.evaluate(() => {
    window.seen = []
    new MutationObserver(() => window.seen.push([performance.now(), document.getElementById('state').textContent]))
      .observe(document.getElementById('state'), { childList: true })
  })
  watch.failures = true
  await server('kill')
  await until(page, 'state', /^Closed, 1006/, 2e3)
  await until(page, 'wait', /^reconnecting in \d+ s$/, 2e3)
  const attempts = async () => (await page.evaluate(() => window.seen)).filter(([, text]) => text == 'Connecting')
  while ((await attempts()).length < 3) await sleep(50)
  const [first, second, third] = (await attempts()).map(([at]) => at)
  assert.ok(third - second > second - first, `attempts at ${first}, ${second}, ${third} ms`)
  await server('start')
  await until(page, 'state', /^Open, readings\.v1$/, 12e3)
  const texts = await number(page, 'texts')
  await until(page, 'texts', seen => Number(seen) > texts + 3)
  await led(page).click()
  await until(page, 'ack', /"led"/)
  assert.equal(await text(page, 'wait'), '')
}

async function stopped({ page, phone, server }) {
  await until(phone, 'state', /^Open/, 12e3)
  await server('stop')
  await until(page, 'state', /^Closed, 1001/, 1e3)
  await server('start')
  await until(page, 'state', /^Open/, 12e3)
  await until(phone, 'state', /^Open/, 12e3)
}

// A device that has lost its power says nothing, not even at the level of TCP.
async function silent({ page, phone, server }) {
  await server('pause')
  await until(page, 'state', /^Closed, 4000 silent device$/, 9e3)
  await server('resume')
  await until(page, 'state', /^Open/, 12e3)
  await until(phone, 'state', /^Open/, 12e3)
}

async function pictures({ page, phone, shot }) {
  await led(page).setChecked(true)
  await phone.locator('#lamp.on').waitFor()
  await sleep(8e3)
  await page.getByRole('heading', { name: 'Live readings' }).click()
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme })
    await sleep(100)
    await shot(page, scheme)
  }
  await shot(phone, 'phone')
  for (const width of [360, 320]) {
    await phone.setViewportSize({ width, height: 740 })
    const needs = await phone.evaluate(() => document.documentElement.scrollWidth)
    assert.ok(needs <= width, `${needs} pixels wide on a screen of ${width}`)
  }
}

async function quiet({ watch }) {
  assert.deepEqual(watch.problems, [])
}

module.exports = [
  ['page loads', loads],
  ['readings appear', readings],
  ['plot moves', plotMoves],
  ['round trip shown', roundTrip],
  ['command acknowledged, other page follows', command],
  ['rate of readings', rate],
  ['readings as text and as binary', bothKinds],
  ['what is no command is refused', refused],
  ['echo of text and binary from a script', echoes],
  ['close codes seen by a script', closeCodes],
  ['subprotocol chosen, unknown one fails', subprotocol],
  ['disconnect and connect by hand', button],
  ['server killed: reported, reconnects', killed],
  ['server stopped: 1001, reconnects', stopped],
  ['server silent: noticed, reconnects', silent],
  ['screenshots: light, dark, phone', pictures],
  ['no console error, no foreign host', quiet],
]
