// Clients of `ws serve` by Node's `ws`: `node client.cjs URL CHECK...`, as client.py
// describes it.
'use strict';
const WebSocket = require('ws');

const MIB = 1 << 20;
const WITHIN = 20;
const SIZES = [0, 1, 125, 126, 127, 4096, 65535, 65536, 65537, MIB];

function expect(what, found, wanted) {
  if (found !== wanted) throw new Error(`${what}: ${short(found)}, not ${short(wanted)}`);
}

function short(value) {
  const text = Buffer.isBuffer(value) ? `Buffer of ${value.length}` : JSON.stringify(value);
  return text && text.length > 60 ? `${typeof value} of ${value.length}` : text;
}

// An open client whose messages, pongs and end can be awaited.
function opened(url, subprotocols = []) {
  const ws = new WebSocket(url, subprotocols, { maxPayload: 64 * MIB, handshakeTimeout: WITHIN * 1000 });
  const got = [];
  const waiting = [];
  const give = () => {
    while (got.length && waiting.length) waiting.shift()(got.shift());
  };
  ws.on('message', (data, isBinary) => { got.push(isBinary ? data : data.toString()); give(); });
  ws.next = () => Promise.race([
    new Promise((resolve) => { waiting.push(resolve); give(); }),
    ws.closed.then(({ code }) => { throw new Error(`closed with ${code}`); }),
  ]);
  ws.closed = new Promise((resolve) => {
    ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  ws.sent = (data, options = {}) => new Promise((resolve, reject) => {
    ws.send(data, options, (error) => (error ? reject(error) : resolve()));
  });
  return new Promise((resolve, reject) => {
    ws.on('open', () => { ws.off('error', reject); ws.on('error', () => {}); resolve(ws); });
    ws.on('error', reject);
  });
}

function same(found, wanted) {
  const equal = Buffer.isBuffer(wanted)
    ? Buffer.isBuffer(found) && wanted.equals(found)
    : wanted === found;
  if (!equal) throw new Error(`the echo: ${short(found)}, not ${short(wanted)}`);
}

// Sends all of it before it receives anything.
async function echoes(ws, message, fragments = null) {
  const binary = Buffer.isBuffer(message);
  if (fragments === null) {
    await ws.sent(message);
  } else {
    for (const [at, fragment] of fragments.entries()) {
      await ws.sent(fragment, { binary, fin: at === fragments.length - 1 });
    }
  }
  same(await ws.next(), message);
}

async function done(ws) {
  ws.close(1000);
  expect('the close code', (await ws.closed).code, 1000);
}

function textOf(size) {
  const phrase = '0123456789 äöü → 🦀 ';
  return phrase.repeat(Math.floor(size / Buffer.byteLength(phrase))) || 'x';
}

function noise(size) {
  const bytes = Buffer.alloc(size);
  for (let at = 0, state = 1; at < size; at++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    bytes[at] = state >> 16;
  }
  return bytes;
}

function pong(ws, payload) {
  const came = new Promise((resolve) => ws.once('pong', resolve));
  ws.ping(payload);
  return came.then((data) => expect('the pong', data.toString('hex'), payload.toString('hex')));
}

const CHECKS = {
  async text(url) {
    const ws = await opened(url);
    for (const message of ['', 'x', 'äöü → 🦀', '\0', ...SIZES.map(textOf)]) await echoes(ws, message);
    await done(ws);
  },
  async binary(url) {
    const ws = await opened(url);
    for (const size of SIZES) await echoes(ws, noise(size));
    await done(ws);
  },
  async fragmented(url) {
    const ws = await opened(url);
    const crab = Buffer.from('a 🦀');
    const many = noise(100_000);
    const cuts = [];
    for (let at = 0; at < many.length; at += 7000) cuts.push(many.subarray(at, at + 7000));
    await echoes(ws, 'abc', ['a', 'b', 'c']);
    await echoes(ws, Buffer.from('abc'), [Buffer.alloc(0), Buffer.from('abc'), Buffer.alloc(0)]);
    await echoes(ws, 'a 🦀', [crab.subarray(0, 3), crab.subarray(3, 5), crab.subarray(5)]);
    await echoes(ws, many, cuts);
    await echoes(ws, 'whole again');
    await done(ws);
  },
  async '16mib-text'(url) {
    const ws = await opened(url);
    await echoes(ws, textOf(16 * MIB));
    await done(ws);
  },
  async '16mib-binary'(url) {
    const ws = await opened(url);
    await echoes(ws, noise(16 * MIB));
    await done(ws);
  },
  async 'many-in-flight'(url) {
    const ws = await opened(url);
    const messages = Array.from({ length: 2000 }, (_, n) => (n % 2 ? `${n}` : Buffer.from(`${n}`)));
    await Promise.all(messages.map((message) => ws.sent(message)));
    for (const message of messages) same(await ws.next(), message);
    await done(ws);
  },
  async ping(url) {
    const ws = await opened(url);
    for (const payload of ['there?', '', 'x'.repeat(125)]) await pong(ws, Buffer.from(payload));
    await ws.sent('before ', { fin: false });
    await pong(ws, Buffer.from('between fragments'));
    await ws.sent('after', { fin: true });
    same(await ws.next(), 'before after');
    await done(ws);
  },
  async 'close-codes'(url) {
    for (const [code, reason] of [[1000, ''], [1001, 'going'], [1008, 'é'.repeat(61)], [3000, 'x'], [4999, '']]) {
      const ws = await opened(url);
      await echoes(ws, 'last words');
      ws.close(code, reason);
      expect("the server's code", (await ws.closed).code, code);
    }
    const ws = await opened(url);
    ws.close();
    expect('the code for none', (await ws.closed).code, 1005);
  },
  async 'too-big'(url) {
    const ws = await opened(url);
    ws.send(Buffer.alloc(21 * MIB), () => {});
    const { code } = await ws.closed;
    // nginx hangs up on a client that is still sending when the server has closed: now and then
    // before it has passed the Close on.
    if (!(process.env.THROUGH_PROXY && code === 1006)) expect('the close code', code, 1009);
  },
  async 'not-utf8'(url) {
    const ws = await opened(url);
    ws.send(Buffer.from([0xff]), { binary: false });
    expect('the close code', (await ws.closed).code, 1007);
  },
  async subprotocols(url) {
    for (const [offered, chosen] of [[['v1'], 'v1'], [['v2', 'v1'], 'v2'], [['v0', 'v1'], 'v1'], [[], '']]) {
      const ws = await opened(url, offered);
      expect(`chosen of ${offered}`, ws.protocol, chosen);
      await echoes(ws, 'hello');
      await done(ws);
    }
  },
  async '500-at-once'(url) {
    const all = await Promise.all(Array.from({ length: 500 }, () => opened(url)));
    await Promise.all(all.map((ws, number) => echoes(ws, `number ${number}`)));
    await Promise.all(all.map(done));
  },
  // Stays in the middle of a frame.
  async hang(url) {
    const ws = await opened(url);
    await echoes(ws, 'first');
    ws._socket.write(Buffer.concat([Buffer.from('82fe100001020304', 'hex'), Buffer.alloc(100)]));
    console.log(JSON.stringify({ ready: true }));
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    throw new Error('nobody killed this');
  },
  async stay(url) {
    const ws = await opened(url);
    await echoes(ws, 'first');
    console.log(JSON.stringify({ ready: true }));
    expect('the close code', (await ws.closed).code, 1001);
  },
};

async function main([url, ...names]) {
  for (const check of names) {
    const began = performance.now();
    const problems = [];
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done within ${WITHIN} s`)), WITHIN * 1000);
    });
    try {
      await Promise.race([CHECKS[check](url), late]);
    } catch (error) {
      problems.push(error.message || String(error));
    }
    clearTimeout(timer);
    const seconds = (performance.now() - began) / 1000;
    console.log(JSON.stringify({ check, problems, seconds }));
  }
  process.exit(0);
}

process.stdin.on('end', () => process.exit(0)).resume();
main(process.argv.slice(2));
