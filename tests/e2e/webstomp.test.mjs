// webstomp-client: offers v10.stomp first, always cuts frames into messages of 16 KiB, escapes nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import webstomp from 'webstomp-client';
import { Broker, Inbox, unique, until } from './broker.mjs';

let broker;
let quickBeats;

before(async () => {
  broker = await Broker.start();
  quickBeats = await Broker.start('--heart-beat', '1s,1s', '--heart-beat-min', '500ms');
});

after(async () => {
  await Promise.all([broker.stop(), quickBeats.stop()]);
});

const OFFER = ['v10.stomp', 'v11.stomp', 'v12.stomp'];

async function connected(t, { on = broker, offer = OFFER, ...options } = {}) {
  const socket = new WebSocket(on.url, offer);
  const client = webstomp.over(socket, { debug: false, heartbeat: false, ...options });
  const connects = new Inbox();
  const errors = new Inbox();
  const receipts = new Inbox();
  client.onreceipt = (frame) => receipts.put(frame.headers['receipt-id']);
  t.after(() => {
    client.disconnect();
    socket.terminate();
  });
  client.connect({ login: 'guest', passcode: 'guest' }, (frame) => connects.put(frame), (error) => errors.put(error));
  const frame = await connects.take('CONNECTED');
  return { client, socket, frame, errors, receipts };
}

async function subscribed({ client, receipts }, destination) {
  const messages = new Inbox();
  const subscription = client.subscribe(destination, (frame) => messages.put(frame), { receipt: 'subscribed' });
  assert.equal(await receipts.take('the receipt of SUBSCRIBE'), 'subscribed');
  return Object.assign(messages, { subscription });
}

test('the highest subprotocol of an ascending offer is chosen', async (t) => {
  const { socket, client, frame } = await connected(t);
  assert.equal(socket.protocol, 'v12.stomp');
  assert.equal(client.version, '1.2');
  assert.equal(frame.headers.version, '1.2');
});

for (const [protocol, version] of [['v10.stomp', '1.0'], ['v11.stomp', '1.1']]) {
  test(`only ${protocol} offered`, async (t) => {
    const session = await connected(t, { offer: [protocol] });
    assert.equal(session.socket.protocol, protocol);
    assert.equal(session.frame.headers.version, version);
    const to = unique();
    const messages = await subscribed(session, to);
    session.client.send(to, 'x');
    assert.equal((await messages.take()).body, 'x');
  });
}

test('subscribe, send, receive, unsubscribe', async (t) => {
  const session = await connected(t);
  const to = unique();
  const messages = await subscribed(session, to);
  session.client.send(to, 'zażółć 😀', { colour: 'red', receipt: 'sent' });
  const message = await messages.take();
  assert.equal(message.body, 'zażółć 😀');
  assert.equal(message.headers.colour, 'red');
  assert.equal(await session.receipts.take('the receipt'), 'sent');
  messages.subscription.unsubscribe({ receipt: 'gone' });
  assert.equal(await session.receipts.take('the receipt'), 'gone');
});

for (const binary of [false, true]) {
  test(`frames cut into messages of 16 KiB, ${binary ? 'binary' : 'text'}`, async (t) => {
    const session = await connected(t, { binary });
    const to = unique();
    const messages = await subscribed(session, to);
    for (const length of [16 * 1024 - 100, 16 * 1024, 16 * 1024 + 1, 100_000]) {
      const body = '0123456789'.repeat(length / 10 + 1).slice(0, length);
      session.client.send(to, body);
      assert.ok((await messages.take()).body === body);
    }
  });
}

test('a small chunk: one frame over hundreds of messages', async (t) => {
  const session = await connected(t);
  session.client.maxWebSocketFrameSize = 7;
  const to = unique();
  const messages = await subscribed(session, to);
  session.client.send(to, 'chopped '.repeat(200));
  assert.equal((await messages.take()).body, 'chopped '.repeat(200));
});

test('heart-beats flow both ways', async (t) => {
  const session = await connected(t, { on: quickBeats, heartbeat: { outgoing: 1000, incoming: 1000 } });
  let beats = 0;
  session.socket.addEventListener('message', (event) => {
    const text = typeof event.data === 'string' ? event.data : Buffer.from(event.data).toString();
    if (text === '\n') beats += 1;
  });
  await until(() => beats >= 4, 'four heart-beats of the broker', 10000);
  assert.equal(session.errors.size, 0);
  const to = unique();
  const messages = await subscribed(session, to);
  session.client.send(to, 'alive');
  assert.equal((await messages.take()).body, 'alive');
});

test('ERROR reaches the error callback', async (t) => {
  const session = await connected(t);
  session.client.send('', 'x');
  const error = await session.errors.take('ERROR');
  assert.equal(error.command, 'ERROR');
  assert.equal(error.headers.message, 'bad-destination');
});

test('an escape that 1.2 does not know is refused', async (t) => {
  const session = await connected(t);
  session.client.send(unique(), 'x', { path: 'C:\\temp' });
  assert.equal((await session.errors.take('ERROR')).headers.message, 'bad-escape');
});

test('disconnect() without a receipt closes the socket', async (t) => {
  const { client, socket } = await connected(t);
  const closes = new Inbox();
  socket.addEventListener('close', (event) => closes.put(event));
  client.disconnect();
  await closes.take('close');
});
