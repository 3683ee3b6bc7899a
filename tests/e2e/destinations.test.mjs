// Destinations as users of RabbitMQ, ActiveMQ and Spring mean them, between @stomp/stompjs over WebSocket and stomp.py
// over TCP (stomp_py_peer.py).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
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

// An active client; what comes for no subscription that it made is in `unhandled`, ERRORs are in `errors`.
async function connected(t, login) {
  const inbox = { connects: new Inbox(), errors: new Inbox(), closes: new Inbox(), unhandled: new Inbox() };
  const client = new Client({
    brokerURL: broker.url,
    reconnectDelay: 0,
    heartbeatIncoming: 0,
    heartbeatOutgoing: 0,
    connectHeaders: login ? { login, passcode: 'secret' } : {},
    onConnect: (frame) => inbox.connects.put(frame),
    onStompError: (frame) => inbox.errors.put(frame),
    onWebSocketClose: (event) => inbox.closes.put(event),
    onUnhandledMessage: (message) => inbox.unhandled.put(message),
  });
  t.after(() => within(client.deactivate(), 'deactivate() finishes'));
  client.activate();
  const frame = await inbox.connects.take('CONNECTED');
  return Object.assign(inbox, { client, frame });
}

// SUBSCRIBE and its RECEIPT; what comes is in the inbox.
async function subscribed({ client }, destination, headers = {}) {
  const messages = new Inbox();
  const receipt = unique('receipt-');
  const live = new Promise((resolve) => client.watchForReceipt(receipt, resolve));
  const subscription = client.subscribe(destination, (message) => messages.put(message), { receipt, ...headers });
  await within(live, 'the receipt of SUBSCRIBE');
  return Object.assign(messages, { subscription });
}

// SEND and its RECEIPT.
async function sent({ client }, destination, body, headers = {}) {
  const receipt = unique('receipt-');
  const done = new Promise((resolve) => client.watchForReceipt(receipt, resolve));
  client.publish({ destination, body, headers: { receipt, ...headers } });
  await within(done, `the receipt of SEND to ${destination}`);
}

// A running stomp_py_peer.py that has subscribed, or sent its request; what it says is in `lines`.
async function stompPy(t, ...words) {
  const python = process.env.STAMPEDE_PYTHON ?? '/usr/bin/python3';
  const peer = spawn(python, ['-B', fileURLToPath(new URL('stomp_py_peer.py', import.meta.url)), ...words],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = new Inbox();
  createInterface({ input: peer.stdout }).on('line', (line) => lines.put(JSON.parse(line)));
  const ended = new Promise((resolve) => peer.on('exit', resolve));
  t.after(async () => {
    peer.stdin.end();
    await within(ended, 'stomp.py ends').finally(() => peer.kill('SIGKILL'));
  });
  const first = await lines.take('stomp.py to be ready', 15000);
  assert.ok(first.ready, JSON.stringify(first));
  return { lines, user: first.user, kill: () => peer.kill('SIGKILL') };
}

const request = (t, ...words) => stompPy(t, 'request', String(broker.tcpPort), ...words);
const reply = (t, ...words) => stompPy(t, 'reply', String(broker.tcpPort), ...words);
const listen = (t, ...words) => stompPy(t, 'listen', String(broker.tcpPort), ...words);

// -- Request and reply.

for (const own of ['/temp-queue/answers', '/temp-topic/answers']) {
  test(`stompjs asks stomp.py as RabbitMQ's users do: ${own}`, async (t) => {
    const service = unique('/queue/service');
    await reply(t, service);
    const session = await connected(t);
    session.client.publish({ destination: service, body: 'one', headers: { 'reply-to': own } });
    session.client.publish({ destination: service, body: 'two', headers: { 'reply-to': own } });
    for (const body of ['re: one', 're: two']) {
      const answer = await session.unhandled.take('the answer');
      assert.equal(answer.body, body);
      assert.equal(answer.headers.subscription, own);
      assert.equal(answer.headers.destination, own);
    }
  });

  test(`stompjs asks stomp.py as ActiveMQ's users do: ${own}`, async (t) => {
    const service = unique('/queue/service');
    await reply(t, service);
    const session = await connected(t);
    const answers = await subscribed(session, own);
    session.client.publish({ destination: service, body: 'one', headers: { 'reply-to': own } });
    const answer = await answers.take('the answer');
    assert.equal(answer.body, 're: one');
    assert.equal(answer.headers.destination, own);
    assert.equal(session.unhandled.size, 0);
  });

  for (const id of [undefined, 'mine']) {
    test(`stomp.py asks stompjs ${id ? 'with' : 'without'} a subscription of its own: ${own}`, async (t) => {
      const service = unique('/queue/service');
      const session = await connected(t);
      const requests = await subscribed(session, service);
      const peer = await request(t, service, own, ...(id ? [id] : []));
      const asked = await requests.take('the request');
      assert.match(asked.headers['reply-to'], /^\/reply-(queue|topic)\//);
      await sent(session, asked.headers['reply-to'], `re: ${asked.body}`);
      const answer = await peer.lines.take('the answer at stomp.py');
      assert.equal(answer.body, 're: from Python');
      assert.equal(answer.headers.subscription, id ?? own);
      assert.equal(answer.headers.destination, own);
    });
  }
}

test('an answer to who is gone is dropped, and the one who answers goes on', async (t) => {
  const service = unique('/queue/service');
  const session = await connected(t);
  const requests = await subscribed(session, service);
  const peer = await request(t, service, '/temp-queue/answers');
  const asked = await requests.take('the request');
  const before = await broker.tables();
  peer.kill();
  await until(async () => (await broker.tables()).clients < before.clients, 'the requester is gone');
  await sent(session, asked.headers['reply-to'], 'too late');
  const tables = await broker.tables();
  assert.equal(tables.temporary_dropped, before.temporary_dropped + 1);
  assert.equal(tables.queues, before.queues - 1);
  assert.equal(session.errors.size, 0);
});

test('nobody subscribes to the answers of another', async (t) => {
  const service = unique('/queue/service');
  const session = await connected(t);
  const requests = await subscribed(session, service);
  await request(t, service, '/temp-queue/answers');
  const asked = await requests.take('the request');
  const curious = await connected(t);
  const patterns = await subscribed(curious, '/#');
  curious.client.subscribe('/temp-queue/answers', (message) => curious.unhandled.put(message));
  await sent(session, asked.headers['reply-to'], 'secret');
  await sent(curious, '/topic/fence', 'fence');
  assert.equal((await patterns.take()).body, 'fence');
  assert.equal(curious.unhandled.size, 0);
  curious.client.subscribe(asked.headers['reply-to'], () => {});
  const error = await curious.errors.take('ERROR');
  assert.equal(error.headers.message, 'access-denied');
  const close = await curious.closes.take('the close');
  assert.equal(close.code, 1008);
});

// -- Users.

test('a message to a user reaches all of the user\'s sessions and nobody else', async (t) => {
  const bob = unique('bob-');
  const [one, two, alice] = [await connected(t, bob), await connected(t, bob), await connected(t, 'alice')];
  assert.equal(one.frame.headers['user-name'], bob);
  const inboxes = [await subscribed(one, '/user/queue/news'), await subscribed(two, '/user/queue/news')];
  const others = await subscribed(alice, '/user/queue/news');
  const everything = await subscribed(alice, '/**');
  const peer = await listen(t, '/user/queue/news', bob);
  assert.equal(peer.user, bob);
  await sent(alice, `/user/${bob}/queue/news`, 'hello');
  for (const inbox of inboxes) {
    const message = await inbox.take('the message');
    assert.equal(message.body, 'hello');
    assert.equal(message.headers.destination, '/user/queue/news');
  }
  const message = await peer.lines.take('the message at stomp.py');
  assert.equal(message.headers.destination, '/user/queue/news');
  await sent(alice, '/user/alice/queue/news', 'fence');
  await sent(alice, '/topic/fence', 'fence');
  for (const inbox of [others, everything]) assert.equal((await inbox.take()).body, 'fence');
});

test('a session without login is a user by its session id', async (t) => {
  const session = await connected(t);
  assert.equal(session.frame.headers['user-name'], undefined);
  const inbox = await subscribed(session, '/user/topic/x');
  const other = await connected(t, 'alice');
  await sent(other, `/user/${session.frame.headers.session}/topic/x`, 'hello');
  assert.equal((await inbox.take()).body, 'hello');
});

test('a user may be called anything', async (t) => {
  const name = 'Zoë/*.# 😀';
  const session = await connected(t, name);
  assert.equal(session.frame.headers['user-name'], name);
  const inbox = await subscribed(session, '/user/x');
  const other = await connected(t, 'alice');
  await sent(other, `/user/${name.replace('/', '%2F')}/x`, 'hello');
  assert.equal((await inbox.take()).body, 'hello');
});

// -- RabbitMQ's other names, and ActiveMQ's composites.

test('topics, queues and exchanges go by their RabbitMQ names too', async (t) => {
  const session = await connected(t);
  const name = unique('n');
  const topic = await subscribed(session, `/topic/${name}.*`);
  const exchange = await subscribed(session, `/exchange/amq.topic/${name}.a`);
  await sent(session, `/exchange/amq.topic/${name}.a`, 'topic');
  for (const inbox of [topic, exchange]) assert.equal((await inbox.take()).body, 'topic');
  const direct = await subscribed(session, `/exchange/amq.direct/${name}`);
  const fanout = await subscribed(session, '/exchange/amq.fanout');
  await sent(session, `/exchange/amq.direct/${name}`, 'direct');
  await sent(session, '/exchange/amq.fanout/whatever', 'fanout');
  assert.equal((await direct.take()).body, 'direct');
  assert.equal((await fanout.take()).body, 'fanout');
  await sent(session, `/amq/queue/${name}`, 'queue');
  const queue = await subscribed(session, `/queue/${name}`);
  const message = await queue.take();
  assert.equal(message.body, 'queue');
  assert.equal(message.headers.destination, `/amq/queue/${name}`);
});

test('a composite is published to each part, and subscribed to each part', async (t) => {
  const session = await connected(t);
  const [a, b, queue] = [unique(), unique(), unique('/queue/n')];
  const all = await subscribed(session, `${a},${b},${queue}`, { ack: 'client' });
  await sent(session, `${a},${queue}`, 'both');
  const messages = [await all.take(), await all.take()];
  assert.deepEqual(messages.map((message) => message.headers.destination).sort(), [a, queue].sort());
  messages[1].ack();
  await sent(session, b, 'single');
  assert.equal((await all.take()).body, 'single');
  await until(async () => (await broker.tables()).unsettled === 0, 'one ACK covers both parts');
  const gone = new Promise((resolve) => session.client.watchForReceipt('gone', resolve));
  all.subscription.unsubscribe({ receipt: 'gone' });
  await within(gone, 'the receipt of UNSUBSCRIBE');
  await sent(session, `${a},${b}`, 'nobody');
  assert.equal(all.size, 0);
});

// -- The end.

test('all of it leaves every table', async (t) => {
  await broker.waitForEmptyTables();
  const session = await connected(t, 'bob');
  for (const destination of ['/user/queue/x', '/temp-queue/x', '/temp-topic/x', '/exchange/amq.fanout',
    '/exchange/amq.topic/#', '/topic/a,/topic/b,/temp-queue/y']) {
    await subscribed(session, destination);
  }
  await sent(session, '/user/bob/queue/x,/exchange/amq.fanout,/temp-queue/x', 'x', { 'reply-to': '/temp-queue/z' });
  const before = await broker.tables();
  await session.client.deactivate({ force: true });
  await broker.waitForEmptyTables();
  assert.equal((await broker.tables()).queues, before.queues - 3);
});
