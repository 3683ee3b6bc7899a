// A plain WebSocket client (ws) that writes its STOMP by hand: what the broker has promised from its first day, and
// what a WebSocket library sees of it.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Client } from '@stomp/stompjs';
import WebSocket from 'ws';
import { Broker, Inbox, unique, until, within } from './broker.mjs';

Object.assign(globalThis, { WebSocket });

let broker;

before(async () => {
  broker = await Broker.start();
});

after(() => broker.stop());

const CONNECT = 'CONNECT\naccept-version:1.2\nhost:localhost\n\n\0';

function parse(data) {
  const text = data.toString();
  const end = text.indexOf('\n\n');
  const [command, ...lines] = text.slice(0, end).split('\n');
  const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
  assert.equal(text.at(-1), '\0', 'one frame in one message');
  return { command, headers, body: text.slice(end + 2, -1) };
}

// A socket with inboxes: frames (parsed), kinds ('text' or 'binary'), and the close code.
async function open(t, { url = broker.url, protocols = ['v12.stomp'], options = {} } = {}) {
  const socket = new WebSocket(url, protocols, options);
  const frames = new Inbox();
  const kinds = new Inbox();
  const pongs = new Inbox();
  const closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
  socket.on('message', (data, isBinary) => {
    if (data.toString() === '\n') return;
    frames.put(parse(data));
    kinds.put(isBinary ? 'binary' : 'text');
  });
  socket.on('pong', (data) => pongs.put(data.toString()));
  t.after(() => socket.terminate());
  await within(new Promise((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  }), 'the opening handshake');
  socket.on('error', () => {});
  return {
    socket, frames, kinds, pongs,
    send: (text) => socket.send(text),
    frame: (what) => frames.take(what ?? 'a frame'),
    closed: () => within(closed, 'the close'),
    async receipt(id) {
      const frame = await frames.take(`the receipt ${id}`);
      assert.deepEqual([frame.command, frame.headers['receipt-id']], ['RECEIPT', id]);
    },
    async subscribe(destination, id = '0') {
      socket.send(`SUBSCRIBE\nid:${id}\ndestination:${destination}\nreceipt:s\n\n\0`);
      await this.receipt('s');
    },
    async error(token, code = 1002) {
      const frame = await frames.take(`ERROR ${token}`);
      assert.deepEqual([frame.command, frame.headers.message], ['ERROR', token]);
      assert.equal(frame.headers['content-type'], 'text/plain');
      assert.equal(Number(frame.headers['content-length']), Buffer.byteLength(frame.body));
      assert.equal((await this.closed()).code, code);
      assert.equal(frames.size, 0);
      return frame;
    },
  };
}

async function session(t, options) {
  const client = await open(t, options);
  client.send(CONNECT);
  assert.equal((await client.frame('CONNECTED')).command, 'CONNECTED');
  return client;
}

// -- Since the first day.

test('the endpoints are /stomp and /ws', async (t) => {
  for (const path of ['/stomp', '/ws']) {
    const { socket } = await session(t, { url: `ws://127.0.0.1:${broker.wsPort}${path}` });
    assert.equal(socket.readyState, WebSocket.OPEN);
  }
  await assert.rejects(open(t, { url: `ws://127.0.0.1:${broker.wsPort}/other` }), /404/);
});

test('version-not-supported names the versions, then the connection closes', async (t) => {
  const client = await open(t);
  client.send('CONNECT\naccept-version:3.0\nhost:localhost\n\n\0');
  const error = await client.error('version-not-supported');
  assert.equal(error.headers.version, '1.0,1.1,1.2');
});

test('missing-destination for SEND and for SUBSCRIBE', async (t) => {
  const sender = await session(t);
  sender.send('SEND\nreceipt:1\n\nbody\0');
  assert.equal((await sender.error('missing-destination')).headers['receipt-id'], '1');
  const subscriber = await session(t);
  subscriber.send('SUBSCRIBE\nid:0\n\n\0');
  await subscriber.error('missing-destination');
});

test('a broadcast reaches every subscriber, the sender too', async (t) => {
  const to = unique();
  const clients = await Promise.all(Array.from({ length: 40 }, () => session(t)));
  await Promise.all(clients.map((client) => client.subscribe(to)));
  const other = await session(t);
  await other.subscribe(unique());
  clients[0].send(`SEND\ndestination:${to}\ncontent-type:text/plain\n\nto all\0`);
  const ids = new Set();
  for (const client of clients) {
    const message = await client.frame();
    assert.deepEqual([message.command, message.body, message.headers.destination], ['MESSAGE', 'to all', to]);
    ids.add(message.headers['message-id']);
  }
  assert.equal(ids.size, 1);
  assert.equal(other.frames.size, 0);
});

test('the same subscription id on two connections', async (t) => {
  const [first, second] = [await session(t), await session(t)];
  const [a, b] = [unique(), unique()];
  await first.subscribe(a, 'same');
  await second.subscribe(b, 'same');
  first.send(`SEND\ndestination:${b}\n\nfor the second\0`);
  second.send(`SEND\ndestination:${a}\n\nfor the first\0`);
  assert.equal((await first.frame()).body, 'for the first');
  assert.equal((await second.frame()).body, 'for the second');
});

test('a repeated message-id is dropped, its receipt is answered', async (t) => {
  const to = unique();
  const [subscriber, sender] = [await session(t), await session(t)];
  await subscriber.subscribe(to);
  for (let round = 0; round < 3; round += 1) {
    sender.send(`SEND\ndestination:${to}\nmessage-id:once\nreceipt:r${round}\n\nbody\0`);
    await sender.receipt(`r${round}`);
  }
  sender.send(`SEND\ndestination:${to}\nmessage-id:other\n\nlast\0`);
  const message = await subscriber.frame();
  assert.deepEqual([message.body, message.headers['message-id']], ['body', 'once']);
  assert.equal((await subscriber.frame()).body, 'last');
});

test('two brokers joined by a naive two-way bridge do not loop', async (t) => {
  const second = await Broker.start();
  const bridges = [];
  t.after(() => second.stop());
  t.after(() => Promise.all(bridges.map((client) => client.deactivate())));
  const to = unique('/topic/bridged.');
  let forwarded = 0;
  // Each side's messages are sent on to the other, with their message-id and nothing else in mind.
  const sides = await Promise.all([broker, second].map((node) => new Promise((resolve) => {
    const client = new Client({ brokerURL: node.url, reconnectDelay: 0 });
    bridges.push(client);
    client.onConnect = () => resolve(client);
    client.activate();
  })));
  await Promise.all(sides.map((from, index) => new Promise((resolve) => {
    from.watchForReceipt('live', resolve);
    from.subscribe(to, (message) => {
      forwarded += 1;
      sides[1 - index].publish({ destination: to, body: message.body, headers: { 'message-id': message.headers['message-id'] } });
    }, { receipt: 'live' });
  })));
  const [here, there] = [await session(t), await session(t, { url: second.url })];
  await here.subscribe(to);
  await there.subscribe(to);
  const count = 50;
  for (let number = 0; number < count; number += 1) {
    here.send(`SEND\ndestination:${to}\n\nhere ${number}\0`);
    there.send(`SEND\ndestination:${to}\nmessage-id:mine-${number}\n\nthere ${number}\0`);
  }
  for (const client of [here, there]) {
    const got = [];
    for (let number = 0; number < 2 * count; number += 1) got.push((await client.frame()).body);
    for (const side of ['here', 'there']) {
      assert.deepEqual(got.filter((body) => body.startsWith(side)), Array.from({ length: count }, (_, n) => `${side} ${n}`));
    }
  }
  // Every copy that went back has been answered by now; none came out again.
  await Promise.all(sides.map((client) => new Promise((resolve) => {
    client.watchForReceipt('all-forwarded', resolve);
    client.publish({ destination: unique(), body: '', headers: { receipt: 'all-forwarded' } });
  })));
  for (const client of [here, there]) {
    client.send(`SEND\ndestination:${to}\nmessage-id:last-${unique('')}\n\nlast\0`);
  }
  for (const client of [here, there]) {
    assert.equal((await client.frame()).body, 'last');
    assert.equal((await client.frame()).body, 'last');
    assert.equal(client.frames.size, 0);
  }
  await until(() => forwarded === 4 * count + 4, `each message forwarded once from each side, not ${forwarded}`);
});

test('a subscriber that vanishes without a close is gone from every table', async (t) => {
  const own = await Broker.start();
  t.after(() => own.stop());
  const vanish = [
    (socket) => socket._socket.destroy(),         // FIN
    (socket) => socket._socket.resetAndDestroy(),  // RST
    (socket) => socket.terminate(),
  ];
  for (const way of vanish) {
    const clients = await Promise.all(Array.from({ length: 8 }, () => session(t, { url: own.url })));
    for (const client of clients) {
      await client.subscribe('/topic/shared', 'a');
      await client.subscribe('/topic/shared.*', 'b');
      await client.subscribe(unique(), 'c');
    }
    const tables = await own.tables();
    assert.equal(tables.clients, 8);
    assert.equal(tables.subscriptions, 24);
    assert.ok(tables.pattern_interests > 0 && tables.interested > 0 && tables.groups > 0 && tables.topics > 0);
    for (const client of clients) way(client.socket);
    await own.waitForEmptyTables();
  }
});

test('a subscriber that vanishes while messages are on their way to it', async (t) => {
  const own = await Broker.start();
  t.after(() => own.stop());
  const sender = await session(t, { url: own.url });
  for (let round = 0; round < 5; round += 1) {
    const clients = await Promise.all(Array.from({ length: 8 }, () => session(t, { url: own.url })));
    for (const client of clients) await client.subscribe('/topic/x');
    for (let number = 0; number < 200; number += 1) sender.send(`SEND\ndestination:/topic/x\n\n${'x'.repeat(2000)}\0`);
    for (const client of clients) client.socket._socket.resetAndDestroy();
    sender.send('SEND\ndestination:/topic/x\nreceipt:r\n\nx\0');
    await sender.receipt('r');
  }
  sender.socket.terminate();
  await own.waitForEmptyTables();
});

// -- Subprotocols.

for (const [offer, expected] of [[['v12.stomp'], 'v12.stomp'], [['v11.stomp'], 'v11.stomp'], [['v10.stomp'], 'v10.stomp'],
  [['v10.stomp', 'v11.stomp', 'v12.stomp'], 'v12.stomp'], [['v11.stomp', 'v10.stomp'], 'v11.stomp'], [[], '']]) {
  test(`subprotocol ${expected || 'none'} of the offer [${offer}]`, async (t) => {
    const { socket } = await session(t, { protocols: offer });
    assert.equal(socket.protocol, expected);
  });
}

test('an offer without any of ours: no subprotocol in the answer', async (t) => {
  // The ws client fails then, as browsers do; a server must not name what was not offered.
  await assert.rejects(open(t, { protocols: ['chat'] }), /no subprotocol|Server sent|400/i);
});

// -- Frames and messages.

test('several STOMP frames in a message', async (t) => {
  const client = await open(t);
  const to = unique();
  client.send(`${CONNECT}\nSUBSCRIBE\nid:0\ndestination:${to}\nreceipt:s\n\n\0` +
              `SEND\ndestination:${to}\n\none\0\n\nSEND\ndestination:${to}\n\ntwo\0`);
  assert.equal((await client.frame()).command, 'CONNECTED');
  await client.receipt('s');
  assert.equal((await client.frame()).body, 'one');
  assert.equal((await client.frame()).body, 'two');
});

test('one STOMP frame over several messages, text and binary mixed', async (t) => {
  const client = await session(t);
  const to = unique();
  await client.subscribe(to);
  const octets = Buffer.from(`SEND\ndestination:${to}\nk:v\n\nbody\0`);
  for (let at = 0; at < octets.length; at += 3) {
    client.socket.send(octets.subarray(at, at + 3), { binary: (at / 3) % 2 === 0 });
  }
  assert.equal((await client.frame()).body, 'body');
});

test('one message over several WebSocket frames', async (t) => {
  const client = await session(t);
  const to = unique();
  await client.subscribe(to);
  client.socket.send(`SEND\ndestination:${to}\n\nhalf `, { fin: false });
  client.socket.ping('in between');
  client.socket.send('and half\0', { fin: true });
  assert.equal(await client.pongs.take('the pong'), 'in between');
  assert.equal((await client.frame()).body, 'half and half');
});

test('text goes as text, what is no UTF-8 as binary', async (t) => {
  const client = await session(t);
  const to = unique();
  await client.subscribe(to);
  assert.equal(await client.kinds.take(), 'text');  // CONNECTED
  assert.equal(await client.kinds.take(), 'text');  // RECEIPT
  client.send(`SEND\ndestination:${to}\n\nżółw\0`);
  assert.equal(await client.kinds.take('a message'), 'text');
  client.socket.send(Buffer.concat([Buffer.from(`SEND\ndestination:${to}\n\n`), Buffer.from([0xff, 0xfe, 0])]));
  assert.equal(await client.kinds.take('a message'), 'binary');
});

test('who connects in binary is answered in binary', async (t) => {
  const client = await open(t);
  client.socket.send(Buffer.from(CONNECT));
  assert.equal((await client.frame()).command, 'CONNECTED');
  const to = unique();
  client.socket.send(Buffer.from(`SUBSCRIBE\nid:0\ndestination:${to}\n\n\0SEND\ndestination:${to}\n\nx\0`));
  assert.equal((await client.frame()).body, 'x');
  assert.equal(await client.kinds.take(), 'binary');
  assert.equal(await client.kinds.take(), 'binary');
});

test('a text and a binary client on one topic', async (t) => {
  const to = unique();
  const text = await session(t);
  await text.subscribe(to);
  const binary = await open(t);
  binary.socket.send(Buffer.from(CONNECT));
  await binary.frame();
  await binary.subscribe(to);
  text.send(`SEND\ndestination:${to}\n\nto both\0`);
  assert.equal((await text.frame()).body, 'to both');
  assert.equal((await binary.frame()).body, 'to both');
});

test('a body of 200,000 octets', async (t) => {
  const client = await session(t);
  const to = unique();
  await client.subscribe(to);
  const body = '0123456789'.repeat(20_000);
  client.send(`SEND\ndestination:${to}\n\n${body}\0`);
  assert.ok((await client.frame()).body === body);
});

test('ping and pong, before CONNECT and after', async (t) => {
  const client = await open(t);
  client.socket.ping('early');
  assert.equal(await client.pongs.take('a pong'), 'early');
  client.send(CONNECT);
  await client.frame();
  for (const payload of ['', 'x', 'y'.repeat(125)]) {
    client.socket.ping(payload);
    assert.equal(await client.pongs.take('a pong'), payload);
  }
});

// -- Closing.

for (const code of [1000, 1001, 3000, 4999]) {
  test(`the close handshake echoes ${code}`, async (t) => {
    const client = await session(t);
    client.socket.close(code, 'bye');
    assert.equal((await client.closed()).code, code);
  });
}

test('a close without a code', async (t) => {
  const client = await session(t);
  client.socket.close();
  assert.ok([1000, 1005].includes((await client.closed()).code));
});

test('DISCONNECT: RECEIPT, then close 1000', async (t) => {
  const client = await session(t);
  client.send('DISCONNECT\nreceipt:bye\n\n\0');
  await client.receipt('bye');
  assert.equal((await client.closed()).code, 1000);
});

for (const [what, octets, token, code] of [
  ['an unknown command', 'HELLO\n\n\0', 'unknown-command', 1002],
  ['a header without a colon', 'SEND\nnocolon\n\n\0', 'malformed-header', 1002],
  ['a bad escape', 'SEND\ndestination:/topic/x\nk:\\t\n\n\0', 'bad-escape', 1002],
  ['a second CONNECT', CONNECT, 'already-connected', 1002],
  ['a frame that is too large', 'SEND\ndestination:/topic/x\ncontent-length:99999999\n\n', 'frame-too-large', 1009],
  ['too many headers', `SEND\n${'a:b\n'.repeat(65)}destination:/topic/x\n\n\0`, 'too-many-headers', 1009],
]) {
  test(`${what}: ERROR ${token}, close ${code}`, async (t) => {
    const client = await session(t);
    client.send(octets);
    await client.error(token, code);
  });
}

test('too many subscriptions: ERROR, close 1008', async (t) => {
  const client = await session(t);
  let octets = '';
  for (let number = 0; number <= 256; number += 1) octets += `SUBSCRIBE\nid:${number}\ndestination:/topic/s.${number}\n\n\0`;
  client.send(octets);
  await client.error('too-many-subscriptions', 1008);
});

test('a message with a broken character: close 1007', async (t) => {
  const client = await session(t);
  client.socket.send(Buffer.from([0x53, 0x45, 0xff]), { binary: false });
  assert.equal((await client.closed()).code, 1007);
});

test('a message past the limit: close 1009', async (t) => {
  const client = await session(t);
  client.socket.send('\n'.repeat(1024 * 1024 + 1));
  assert.equal((await client.closed()).code, 1009);
});

test('not-connected: a frame before CONNECT', async (t) => {
  const client = await open(t);
  client.send('SUBSCRIBE\nid:0\ndestination:/topic/x\n\n\0');
  await client.error('not-connected');
});

test('a page of another site is refused', async (t) => {
  await assert.rejects(open(t, { options: { origin: 'https://evil.example' } }), /403/);
  await session(t, { options: { origin: `http://127.0.0.1:${broker.wsPort}` } });
  await session(t, { options: { origin: 'http://localhost:3000' } });
});

test('TCP and WebSocket clients share topics', async (t) => {
  const to = unique();
  const client = await session(t);
  await client.subscribe(to);
  const tcp = net.connect(broker.tcpPort, '127.0.0.1');
  t.after(() => tcp.destroy());
  let received = '';
  const arrived = new Inbox();
  tcp.on('data', (data) => {
    received += data;
    arrived.put(received);
  });
  tcp.write(`${CONNECT}SUBSCRIBE\nid:tcp\ndestination:${to}\nreceipt:s\n\n\0`);
  while (!received.includes('receipt-id:s\n\n\0')) await arrived.take('the receipt over TCP');
  client.send(`SEND\ndestination:${to}\n\nfrom ws\0`);
  while (!received.includes('\n\nfrom ws\0')) await arrived.take('the message over TCP');
  assert.equal((await client.frame()).body, 'from ws');
  tcp.write(`SEND\ndestination:${to}\n\nfrom tcp\0`);
  assert.equal((await client.frame()).body, 'from tcp');
});
