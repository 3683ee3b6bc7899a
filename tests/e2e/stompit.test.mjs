// stompit, the usual client of Node.js back ends: over TCP, its body a stream, in all three versions.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import stompit from 'stompit';
import { Broker, Inbox, unique, until, within } from './broker.mjs';

let broker;
let quickBeats;

before(async () => {
  broker = await Broker.start('--max-frame-size', '2M');
  quickBeats = await Broker.start('--heart-beat', '1s,1s', '--heart-beat-min', '500ms');
});

after(() => Promise.all([broker.stop(), quickBeats.stop()]));

const VERSIONS = ['1.0', '1.1', '1.2'];

function address(on) {
  return { host: '127.0.0.1', port: on.tcpPort, connectHeaders: { host: '/', login: 'user', passcode: 'p:a\\ss' } };
}

// A connected client; its errors are in client.errors.
async function connected(t, { on = broker, version, ...options } = {}) {
  const settings = { ...address(on), ...options };
  if (version) settings.connectHeaders['accept-version'] = version;
  const errors = new Inbox();
  return within(new Promise((resolve, reject) => {
    const client = stompit.connect(settings, (error) => (error ? reject(error) : resolve(client)));
    client.errors = errors;
    client.on('error', (error) => errors.put(error));
    t.after(() => client.destroy());
  }), 'CONNECTED');
}

function bodyOf(message) {
  return within(new Promise((resolve, reject) => {
    const chunks = [];
    message.on('data', (chunk) => chunks.push(chunk));
    message.on('end', () => resolve(Buffer.concat(chunks)));
    message.on('error', reject);
  }), 'the body of a MESSAGE');
}

// What is subscribed to comes as { headers, body, text, message }, in order; SUBSCRIBE has had its RECEIPT.
async function subscribed(client, destination, headers = {}) {
  const inbox = new Inbox();
  inbox.subscription = client.subscribe({ destination, ...headers }, async (error, message) => {
    if (error) {
      inbox.put({ error });
      return;
    }
    const body = await bodyOf(message);
    inbox.put({ headers: message.headers, body, text: body.toString(), message });
  });
  await processed(client);
  return inbox;
}

function send(client, headers, body = '') {
  return within(new Promise((resolve) => {
    const frame = client.send(typeof headers === 'string' ? { destination: headers } : headers, { onReceipt: resolve });
    frame.end(body);
  }), 'the receipt of SEND');
}

// All that the client sent before has been processed.
function processed(client) {
  return send(client, unique('/topic/fence'));
}

for (const version of VERSIONS) {
  test(`${version}: connects, subscribes, publishes, receives`, async (t) => {
    const client = await connected(t, { version });
    assert.equal(client.headers.version, version);
    const to = unique();
    const messages = await subscribed(client, to);
    await send(client, { destination: to, colour: 'red', 'content-type': 'text/plain' }, 'Zażółć 😀');
    const { headers, text } = await messages.take();
    assert.equal(text, 'Zażółć 😀');
    assert.equal(headers.destination, to);
    assert.equal(headers.colour, 'red');
    assert.equal(headers['content-type'], 'text/plain');
    assert.equal(headers.subscription, String(messages.subscription.getId()));
    assert.ok(headers['message-id']);
    assert.equal(client.errors.size, 0);
  });
}

test('the best version is spoken by default', async (t) => {
  assert.equal((await connected(t)).headers.version, '1.2');
});

for (const version of ['1.1', '1.2']) {
  test(`${version}: headers with special characters`, async (t) => {
    const client = await connected(t, { version });
    const to = unique('/topic/a:b\\c-');
    const messages = await subscribed(client, to, { id: 'i:d\\' });
    await send(client, { destination: to, 'odd:name': 'line\nbreak : back\\slash' });
    const { headers } = await messages.take();
    assert.equal(headers.destination, to);
    assert.equal(headers.subscription, 'i:d\\');
    assert.equal(headers['odd:name'], 'line\nbreak : back\\slash');
  });
}

test('a hundred messages in order, many in a packet', async (t) => {
  const client = await connected(t);
  const to = unique();
  const messages = await subscribed(await connected(t), to);
  for (let number = 0; number < 100; number += 1) client.send({ destination: to }).end(String(number));
  for (let number = 0; number < 100; number += 1) assert.equal((await messages.take()).text, String(number));
});

test('a body that is written in pieces, without a length', async (t) => {
  const client = await connected(t);
  const to = unique();
  const messages = await subscribed(client, to);
  const frame = client.send({ destination: to });
  let expected = '';
  for (let number = 0; number < 200; number += 1) {
    const piece = `${number} `.repeat(1000);
    expected += piece;
    frame.write(piece);
  }
  frame.end();
  const { text, headers } = await messages.take();
  assert.ok(text === expected);
  assert.equal(headers['content-length'], expected.length);
});

test('a binary body with NUL octets, by its length', async (t) => {
  const client = await connected(t);
  const to = unique();
  const messages = await subscribed(client, to);
  const body = Buffer.from(Array.from({ length: 2048 }, (_, n) => n % 256));
  await send(client, { destination: to, 'content-length': body.length }, body);
  assert.deepEqual((await messages.take()).body, body);
});

test('an empty body', async (t) => {
  const client = await connected(t);
  const to = unique();
  const messages = await subscribed(client, to);
  client.send({ destination: to }).end();
  assert.equal((await messages.take()).body.length, 0);
});

test('no message after unsubscribe', async (t) => {
  const client = await connected(t);
  const [left, right] = [unique(), unique()];
  const gone = await subscribed(client, left);
  const kept = await subscribed(client, right);
  gone.subscription.unsubscribe();
  await processed(client);
  await send(client, left, 'nobody');
  await send(client, right, 'somebody');
  assert.equal((await kept.take()).text, 'somebody');
  assert.equal(gone.size, 0);
  assert.equal(client.getSubscription(gone.subscription.getId()), undefined);
});

test('heart-beats flow both ways', async (t) => {
  const client = await connected(t, { on: quickBeats, heartbeat: [1000, 1000], heartbeatDelayMargin: 1000 });
  assert.equal(client.headers['heart-beat'], '1000,1000');
  const socket = client.getTransportSocket();
  const bytes = socket.bytesRead;
  await until(() => socket.bytesRead >= bytes + 4, 'four heart-beats of the broker', 10000);
  await processed(client);  // four intervals later it is still there: ours have arrived
  assert.equal(client.errors.size, 0);
});

test('ERROR reaches the client, with its token and its sentence', async (t) => {
  const client = await connected(t);
  const messages = await subscribed(client, unique());
  const refusals = new Inbox();
  // Its own handler of ERROR throws past every listener when the frame is text/plain: it takes the frame for itself.
  client.setCommandHandler('ERROR', async (frame) => {
    refusals.put({ headers: frame.headers, text: (await bodyOf(frame)).toString() });
  });
  client.send({ receipt: 'r' }).end('to nowhere');
  const { headers, text } = await refusals.take('ERROR');
  assert.equal(headers.message, 'missing-destination');
  assert.equal(headers['receipt-id'], 'r');
  assert.match(text, /destination/);
  const end = await client.errors.take('the end of the connection');
  assert.equal((await messages.take('the end, for the subscription')).error, end);
});

test('disconnect waits for its receipt', async (t) => {
  const client = await connected(t);
  await within(new Promise((resolve, reject) => {
    client.disconnect((error) => (error ? reject(error) : resolve()));
  }), 'the receipt of DISCONNECT');
  assert.equal(client.errors.size, 0);
});

// -- Queues. Its ACK and NACK carry every header that any version knows.

async function filled(t, count) {
  const client = await connected(t);
  const name = unique('/queue/stompit');
  for (let number = 0; number < count; number += 1) await send(client, name, String(number));
  return name;
}

function settle(client, command, message, headers = {}) {
  return within(new Promise((resolve) => {
    client[command](message, headers, { onReceipt: resolve });
  }), `the receipt of ${command}`);
}

// What the queue holds for a consumer that comes now, and nothing more.
async function assertHolds(t, name, texts) {
  const client = await connected(t);
  const messages = await subscribed(client, name);
  const got = [];
  for (const text of texts) got.push(await messages.take(`${text} of ${name}`));
  await send(client, name, 'the end');
  assert.equal((await messages.take('the end')).text, 'the end');
  assert.deepEqual(got.map(({ text }) => text), texts);
  client.destroy();
  return got;
}

for (const version of VERSIONS) {
  test(`${version}: what is not acknowledged comes again to another`, async (t) => {
    const name = await filled(t, 3);
    const client = await connected(t, { version });
    const messages = await subscribed(client, name, { ack: 'client-individual' });
    const got = [await messages.take(), await messages.take(), await messages.take()];
    await settle(client, 'ack', got[1].message);
    client.destroy();
    for (const { headers } of await assertHolds(t, name, ['0', '2'])) {
      assert.equal(headers.redelivered, 'true');
      assert.equal(headers['delivery-count'], '2');
    }
  });

  test(`${version}: an ACK in client mode covers what came before`, async (t) => {
    const name = await filled(t, 3);
    const client = await connected(t, { version });
    const messages = await subscribed(client, name, { ack: 'client' });
    await messages.take();
    await settle(client, 'ack', (await messages.take()).message);
    assert.equal((await messages.take()).text, '2');
    client.destroy();
    await assertHolds(t, name, ['2']);
  });

  test(`${version}: a transaction takes from one queue and puts into another`, async (t) => {
    const [source, target] = [await filled(t, 1), unique('/queue/stompit')];
    const client = await connected(t, { version });
    const messages = await subscribed(client, source, { ack: 'client-individual' });
    const { message } = await messages.take();
    for (const way of ['abort', 'commit']) {
      const transaction = client.begin();
      transaction.send({ destination: target }).end(way);
      await settle(client, 'ack', message, { transaction: transaction.id });
      await within(new Promise((resolve) => transaction[way]({ onReceipt: resolve })), `the receipt of ${way}`);
    }
    client.destroy();
    await assertHolds(t, source, []);
    await assertHolds(t, target, ['commit']);
  });
}

for (const version of ['1.1', '1.2']) {
  test(`${version}: NACK brings the message back, until it is a dead letter`, async (t) => {
    const name = await filled(t, 1);
    const client = await connected(t, { version });
    const messages = await subscribed(client, name, { ack: 'client-individual' });
    let { headers, message } = await messages.take();
    assert.equal(headers.redelivered, undefined);
    client.nack(message);
    ({ headers, message } = await messages.take('the message again'));
    assert.deepEqual([headers.redelivered, headers['delivery-count']], ['true', '2']);
    await settle(client, 'nack', message, { requeue: 'false' });
    client.destroy();
    await assertHolds(t, name, []);
    const [letter] = await assertHolds(t, name.replace('/queue/', '/queue/dlq.'), ['0']);
    assert.equal(letter.headers['original-destination'], name);
  });
}

test('prefetch-count is how many come before an ACK', async (t) => {
  const name = await filled(t, 4);
  const client = await connected(t);
  const messages = await subscribed(client, name, { ack: 'client-individual', 'prefetch-count': '2' });
  const [first, second] = [await messages.take(), await messages.take()];
  await processed(client);
  assert.equal(messages.size, 0);
  client.ack(second.message);
  assert.equal((await messages.take()).text, '2');
  client.ack(first.message);
  assert.equal((await messages.take()).text, '3');
});

test('a channel finds another broker when its own dies', async (t) => {
  const own = await Broker.start();
  t.after(() => own.kill());
  const failover = new stompit.ConnectFailover([address(own), address(broker)],
    { maxReconnects: 20, initialReconnectDelay: 10, useExponentialBackOff: false });
  const channel = new stompit.Channel(failover, { alwaysConnected: true });
  t.after(async () => {
    channel.close();
    await until(async () => (await broker.tables()).clients === 0, 'the channel has left');
  });
  const messages = new Inbox();
  const to = unique();
  channel.subscribe({ destination: to }, async (error, message) => {
    messages.put(error ?? (await bodyOf(message)).toString());
  });
  const publish = (body) => within(new Promise((resolve, reject) => {
    channel.send({ destination: to }, body, (error) => (error ? reject(error) : resolve()));
  }), 'the receipt of SEND');
  await publish('before');
  assert.equal(await messages.take(), 'before');
  own.kill();
  await publish('after');
  assert.equal(await messages.take(), 'after');
});
