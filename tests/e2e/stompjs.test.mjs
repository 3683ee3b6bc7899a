// @stomp/stompjs, the client that most browsers use, against the broker.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, ReconnectionTimeMode, Versions } from '@stomp/stompjs';
import WebSocket from 'ws';
import { Broker, Inbox, unique, until, within } from './broker.mjs';
import { connected as connectedTo, deactivateAll, subscribed } from './stompjs_client.mjs';

let broker;
let quickBeats;

before(async () => {
  broker = await Broker.start('--max-frame-size', '2M', '--max-websocket-message-size', '4M');
  quickBeats = await Broker.start('--heart-beat', '1s,1s', '--heart-beat-min', '500ms');
});

after(async () => {
  deactivateAll();
  await Promise.all([broker.stop(), quickBeats.stop()]);
});

const connected = (t, options = {}) => connectedTo(t, { brokerURL: broker.url, ...options });

test('connects, subscribes, publishes, receives', async (t) => {
  const { client, frame } = await connected(t);
  assert.equal(frame.headers.version, '1.2');
  const to = unique();
  const messages = await subscribed(client, to);
  client.publish({ destination: to, body: 'hello', headers: { colour: 'red', 'content-type': 'text/plain' } });
  const message = await messages.take();
  assert.equal(message.body, 'hello');
  assert.equal(message.headers.destination, to);
  assert.equal(message.headers.colour, 'red');
  assert.equal(message.headers['content-type'], 'text/plain');
  assert.equal(message.headers.subscription, messages.subscription.id);
  assert.ok(message.headers['message-id']);
});

test('chooses the subprotocol v12.stomp', async (t) => {
  const { client } = await connected(t);
  assert.equal(client.webSocket.protocol, 'v12.stomp');
});

for (const [versions, expected] of [[['1.0'], '1.0'], [['1.1'], '1.1'], [['1.2'], '1.2'], [['1.0', '1.1'], '1.1'],
  [['1.2', '1.1', '1.0'], '1.2']]) {
  test(`speaks ${expected} if offered ${versions}`, async (t) => {
    const { client, frame } = await connected(t, { stompVersions: new Versions(versions) });
    assert.equal(frame.headers.version, expected);
    assert.equal(client.connectedVersion, expected);
    const to = unique();
    const messages = await subscribed(client, to);
    client.publish({ destination: to, body: 'x' });
    assert.equal((await messages.take()).body, 'x');
  });
}

test('a version that the broker does not know gives ERROR and close 1002', async (t) => {
  const errors = new Inbox();
  const closes = new Inbox();
  const client = new Client({
    webSocketFactory: () => new WebSocket(broker.url, ['v12.stomp']),
    reconnectDelay: 0,
    stompVersions: new Versions(['9.9']),
    onStompError: (frame) => errors.put(frame),
    onWebSocketClose: (event) => closes.put(event),
  });
  t.after(() => client.deactivate());
  client.activate();
  const error = await errors.take('ERROR');
  assert.equal(error.headers.message, 'version-not-supported');
  assert.equal(error.headers.version, '1.0,1.1,1.2');
  assert.equal((await closes.take('close')).code, 1002);
});

test('text with characters of every length', async (t) => {
  const { client } = await connected(t);
  const to = unique('/topic/zażółć-日本-');
  const messages = await subscribed(client, to);
  const body = 'aß€😀\u0000\u{10ffff}\uffff';
  client.publish({ destination: to, body, headers: { 'ключ': 'значение 😀' } });
  const message = await messages.take();
  assert.equal(message.body, body);
  assert.equal(message.headers.destination, to);
  assert.equal(message.headers['ключ'], 'значение 😀');
});

test('headers that must be escaped come back as they were', async (t) => {
  // stompjs trims values, escapes no names, and unescapes a backslash before n, c or r wrongly: none of these here.
  const { client } = await connected(t);
  const to = unique();
  const messages = await subscribed(client, to, { id: 'a:b\\ \nd' });
  const value = 'colon : backslash \\ line\nreturn\rend';
  client.publish({ destination: to, body: 'x', headers: { odd: value } });
  const message = await messages.take();
  assert.equal(message.headers.odd, value);
  assert.equal(message.headers.subscription, 'a:b\\ \nd');
});

test('a binary body with every octet, NUL among them', async (t) => {
  const { client } = await connected(t);
  const to = unique();
  const messages = await subscribed(client, to);
  const binaryBody = Uint8Array.from({ length: 1024 }, (_, index) => index % 256);
  client.publish({ destination: to, binaryBody, headers: { 'content-type': 'application/octet-stream' } });
  const message = await messages.take();
  assert.deepEqual(Buffer.from(message.binaryBody), Buffer.from(binaryBody));
});

test('an empty body', async (t) => {
  const { client } = await connected(t);
  const to = unique();
  const messages = await subscribed(client, to);
  client.publish({ destination: to });
  assert.equal((await messages.take()).body, '');
});

test('a body without content-length', async (t) => {
  const { client } = await connected(t);
  const to = unique();
  const messages = await subscribed(client, to);
  client.publish({ destination: to, body: 'no length', skipContentLengthHeader: true });
  assert.equal((await messages.take()).body, 'no length');
});

test('receipts for SEND, SUBSCRIBE and UNSUBSCRIBE', async (t) => {
  const { client } = await connected(t);
  const to = unique();
  const messages = await subscribed(client, to);
  const receipts = new Inbox();
  for (const id of ['sent-1', 'sent:2', 'gone']) client.watchForReceipt(id, (frame) => receipts.put(frame));
  client.publish({ destination: to, body: '1', headers: { receipt: 'sent-1' } });
  client.publish({ destination: to, body: '2', headers: { receipt: 'sent:2' } });
  messages.subscription.unsubscribe({ receipt: 'gone' });
  for (const id of ['sent-1', 'sent:2', 'gone']) {
    assert.equal((await receipts.take(`the receipt ${id}`)).headers['receipt-id'], id);
  }
});

test('nothing comes behind unsubscribe', async (t) => {
  const { client } = await connected(t);
  const to = unique();
  const first = await subscribed(client, to);
  const gone = new Promise((resolve) => client.watchForReceipt('gone', resolve));
  first.subscription.unsubscribe({ receipt: 'gone' });
  await within(gone, 'the receipt of UNSUBSCRIBE');
  const second = await subscribed(client, to);
  client.publish({ destination: to, body: 'late' });
  assert.equal((await second.take()).body, 'late');
  assert.equal(first.size, 0);
});

test('heart-beats flow both ways', async (t) => {
  let incoming = 0;
  const options = { brokerURL: quickBeats.url, heartbeatIncoming: 1000, heartbeatOutgoing: 1000 };
  const { client, frame, closes } = await connected(t, options);
  assert.equal(frame.headers['heart-beat'], '1000,1000');
  client.webSocket.addEventListener('message', (event) => {
    const text = typeof event.data === 'string' ? event.data : Buffer.from(event.data).toString();
    if (text === '\n') incoming += 1;
  });
  // Longer than either side bears silence: 2 s for stompjs and for the broker.
  await until(() => incoming >= 4, 'four heart-beats of the broker', 10000);
  assert.equal(closes.size, 0);
  assert.ok(client.connected);
  const to = unique();
  const messages = await subscribed(client, to);
  client.publish({ destination: to, body: 'alive' });
  assert.equal((await messages.take()).body, 'alive');
});

test('a client that falls silent is dropped and comes back', async (t) => {
  const options = { brokerURL: quickBeats.url, heartbeatOutgoing: 1000, reconnectDelay: 50 };
  const { client, connects, closes } = await connected(t, options);
  client.webSocket.send = () => {};  // its heart-beats get lost
  client.webSocket.pong = () => {};  // and its answers to pings
  await closes.take('the broker gives up on it', 6000);
  await connects.take('the reconnect', 6000);
  assert.ok(client.connected);
});

test('a client whose beats are late, but which answers pings, stays', async (t) => {
  const options = { brokerURL: quickBeats.url, heartbeatOutgoing: 1000 };
  const { client, closes } = await connected(t, options);
  const send = client.webSocket.send;
  const pings = new Inbox();
  client.webSocket.on('ping', () => pings.put(true));
  client.webSocket.send = () => {};
  for (let n = 0; n < 3; n += 1) await pings.take('a ping', 6000);
  client.webSocket.send = send;
  assert.equal(closes.size, 0);
  const messages = await subscribed(client, unique());
  assert.ok(client.connected && messages.size === 0);
});

test('reconnects after the broker closed, with the same subscription ids', async (t) => {
  const { client, connects, errors, closes } = await connected(t, { reconnectDelay: 50 });
  const to = unique();
  const before = await subscribed(client, to, { id: 'same' });
  client.publish({ destination: '/dsub/not-yet', body: 'x', headers: { receipt: 'r' } });
  const error = await errors.take('ERROR');
  assert.equal(error.headers.message, 'unsupported-destination');
  assert.equal(error.headers['receipt-id'], 'r');
  await closes.take('the close');
  await connects.take('CONNECTED again');
  const again = await subscribed(client, to, { id: 'same' });
  client.publish({ destination: to, body: 'back' });
  const message = await again.take();
  assert.equal(message.body, 'back');
  assert.equal(message.headers.subscription, 'same');
  assert.equal(before.size, 0);
});

test('reconnects after the socket was lost', async (t) => {
  const { client, connects } = await connected(t, { reconnectDelay: 20, reconnectTimeMode: ReconnectionTimeMode.LINEAR });
  for (let round = 0; round < 3; round += 1) {
    client.webSocket.terminate();
    await connects.take('CONNECTED again');
  }
  const to = unique();
  const messages = await subscribed(client, to);
  client.publish({ destination: to, body: 'x' });
  assert.equal((await messages.take()).body, 'x');
});

test('splitLargeFrames', async (t) => {
  const { client } = await connected(t, { splitLargeFrames: true });
  const to = unique();
  const messages = await subscribed(client, to);
  for (const length of [8000, 8192, 8193, 100000]) {
    const body = 'abcdefgh'.repeat(length / 8 + 1).slice(0, length);
    client.publish({ destination: to, body });
    assert.equal((await messages.take()).body, body);
  }
});

test('splitLargeFrames in chunks of one unit', async (t) => {
  const { client } = await connected(t, { splitLargeFrames: true, maxWebSocketChunkSize: 1 });
  const to = unique();
  const messages = await subscribed(client, to);
  client.publish({ destination: to, body: 'żółw'.repeat(50) });
  assert.equal((await messages.take()).body, 'żółw'.repeat(50));
});

test('forceBinaryWSFrames', async (t) => {
  const { client } = await connected(t, { forceBinaryWSFrames: true });
  const kinds = new Set();
  client.webSocket.addEventListener('message', (event) => kinds.add(typeof event.data));
  const to = unique();
  const messages = await subscribed(client, to);
  client.publish({ destination: to, body: 'text €' });
  assert.equal((await messages.take()).body, 'text €');
  assert.deepEqual([...kinds], ['object'], 'who speaks in binary is answered in binary');
});

test('appendMissingNULLonIncoming', async (t) => {
  // What React Native does: everything from the NUL on is dropped.
  class Cutting extends WebSocket {
    set onmessage(listener) {
      super.onmessage = (event) => {
        const text = typeof event.data === 'string' ? event.data : Buffer.from(event.data).toString();
        listener({ data: text.replace(/\0.*$/s, '') });
      };
    }

    get onmessage() {
      return super.onmessage;
    }
  }
  const { client } = await connected(t, {
    brokerURL: undefined,
    webSocketFactory: () => new Cutting(broker.url, ['v12.stomp']),
    appendMissingNULLonIncoming: true,
    forceBinaryWSFrames: false,
  });
  const to = unique();
  const messages = await subscribed(client, to);
  for (let number = 0; number < 100; number += 1) client.publish({ destination: to, body: `${number}` });
  for (let number = 0; number < 100; number += 1) assert.equal((await messages.take()).body, `${number}`);
});

for (const kind of ['text', 'binary', 'split text']) {
  test(`a body of 1 MiB, ${kind}`, async (t) => {
    const { client } = await connected(t, { splitLargeFrames: kind === 'split text' });
    const to = unique();
    const messages = await subscribed(client, to);
    const size = 1024 * 1024;
    if (kind === 'binary') {
      const binaryBody = Buffer.alloc(size, Uint8Array.from({ length: 251 }, (_, index) => index));
      client.publish({ destination: to, binaryBody });
      const message = await messages.take('the body', 10000);
      assert.ok(Buffer.from(message.binaryBody).equals(binaryBody));
    } else {
      const body = '0123456789abcdef'.repeat(size / 16);
      client.publish({ destination: to, body });
      const message = await messages.take('the body', 10000);
      assert.ok(message.body === body);
    }
  });
}

test('a body past --max-frame-size gives ERROR frame-too-large and close 1009', async (t) => {
  const { client, errors, closes } = await connected(t);
  client.publish({ destination: unique(), body: 'x'.repeat(2 * 1024 * 1024) });
  assert.equal((await errors.take('ERROR')).headers.message, 'frame-too-large');
  assert.equal((await closes.take('close')).code, 1009);
});

test('many subscriptions of one client', async (t) => {
  const { client } = await connected(t);
  const base = unique('/topic/many');
  const inboxes = await Promise.all(Array.from({ length: 200 }, (_, index) => subscribed(client, `${base}.${index}`)));
  for (let index = 0; index < 200; index += 1) client.publish({ destination: `${base}.${index}`, body: `${index}` });
  for (let index = 0; index < 200; index += 1) assert.equal((await inboxes[index].take()).body, `${index}`);
  assert.equal(inboxes.reduce((sum, inbox) => sum + inbox.size, 0), 0);
});

test('fifty clients on one topic see the same order', async (t) => {
  const to = unique();
  const readers = await Promise.all(Array.from({ length: 50 }, async () => {
    const { client } = await connected(t);
    return subscribed(client, to);
  }));
  const { client } = await connected(t);
  for (let number = 0; number < 50; number += 1) client.publish({ destination: to, body: `${number}` });
  for (const reader of readers) {
    for (let number = 0; number < 50; number += 1) assert.equal((await reader.take()).body, `${number}`);
  }
});

test('wildcard subscriptions', async (t) => {
  const { client } = await connected(t);
  const base = unique('/topic/w');
  const one = await subscribed(client, `${base}.*`);
  const rest = await subscribed(client, `${base}.#`);
  client.publish({ destination: `${base}.a.b`, body: 'two levels' });
  client.publish({ destination: `${base}/a`, body: 'one level' });
  client.publish({ destination: base, body: 'no level' });
  const got = new Set();
  for (let count = 0; count < 3; count += 1) got.add((await rest.take()).body);
  assert.deepEqual(got, new Set(['no level', 'one level', 'two levels']));
  assert.equal((await one.take()).body, 'one level');
  assert.equal(one.size, 0);
});

test('deactivate() finishes with DISCONNECT and its receipt', async (t) => {
  const { client, closes } = await connected(t);
  const receipts = new Inbox();
  client.onDisconnect = (frame) => receipts.put(frame);
  await within(client.deactivate(), 'deactivate() finishes');
  assert.ok((await receipts.take('the receipt of DISCONNECT')).headers['receipt-id']);
  assert.equal((await closes.take('close')).code, 1000);
});

test('clients that open and drop sockets right after the handshake', async () => {
  await Promise.all(Array.from({ length: 30 }, () => new Promise((resolve) => {
    const socket = new WebSocket(broker.url, ['v12.stomp']);
    socket.on('open', () => socket.terminate());
    socket.on('close', resolve);
  })));
});

test('a thousand messages in a burst', async (t) => {
  const { client } = await connected(t);
  const to = unique();
  const messages = await subscribed(client, to);
  for (let number = 0; number < 1000; number += 1) client.publish({ destination: to, body: `${number}` });
  for (let number = 0; number < 1000; number += 1) assert.equal((await messages.take()).body, `${number}`);
});
