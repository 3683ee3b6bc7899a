// Last values, history and resuming, with @stomp/stompjs as a page would use it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '@stomp/stompjs';
import { Broker, Inbox, unique, until, within } from './broker.mjs';
import { clients, connected as connectedTo, deactivateAll, subscribed } from './stompjs_client.mjs';

const kept = () => unique('/topic/kept/n');

let broker;

before(async () => {
  broker = await Broker.start('--history', '/topic/kept/#=1000', '--history', '/topic/short/#=10');
});

after(async () => {
  deactivateAll();
  await broker.stop();
});

const connected = (t, options = {}) => connectedTo(t, { brokerURL: broker.url, ...options });

// Publishes them, and waits until the broker has them.
async function publish(client, destination, bodies, headers = {}) {
  const receipt = unique('receipt-');
  const done = new Promise((resolve) => client.watchForReceipt(receipt, resolve));
  bodies.forEach((body, n) => {
    const last = n === bodies.length - 1 ? { receipt } : {};
    client.publish({ destination, body: String(body), headers: { ...headers, ...last } });
  });
  await within(done, 'the receipt of SEND');
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const bodies = async (messages, count) => {
  const taken = [];
  while (taken.length < count) taken.push((await messages.take()).body);
  return taken;
};

test('the last value comes first, until it is removed', async (t) => {
  const { client } = await connected(t);
  const to = unique();
  await publish(client, to, ['1', '2'], { retain: 'set' });
  await publish(client, to, ['3']);
  const messages = await subscribed(client, to);
  assert.equal((await messages.take()).body, '2');
  await publish(client, to, ['4'], { retain: 'remove' });
  assert.equal((await messages.take()).body, '4');
  const later = await subscribed(client, to);
  await publish(client, to, ['5']);
  assert.equal((await later.take()).body, '5');
});

test('a pattern gets the last value of each destination', async (t) => {
  const { client } = await connected(t);
  const under = unique('/topic/prices');
  for (const name of ['a', 'b', 'c']) await publish(client, `${under}/${name}`, [name], { retain: 'true' });
  const messages = await subscribed(client, `${under}/*`);
  assert.deepEqual((await bodies(messages, 3)).sort(), ['a', 'b', 'c']);
});

test('a client that loses its connection again and again resumes without hole or double', async (t) => {
  const to = kept();
  const last = 600;
  const { client: publisher } = await connected(t);
  const seen = [];
  const answers = [];
  let position;
  const reader = new Client({
    brokerURL: broker.url,
    reconnectDelay: 10,
    heartbeatIncoming: 0,
    heartbeatOutgoing: 0,
    onConnect: () => {
      const receipt = unique('resume-');
      reader.watchForReceipt(receipt, (frame) => {
        // Also where it begins is known now, if the connection breaks before the first message.
        position ??= { seq: Number(frame.headers.seq), epoch: frame.headers.epoch };
        answers.push(frame.headers.recovered);
      });
      const from = position ? { 'from-seq': String(position.seq + 1), 'from-epoch': position.epoch } : { 'from-seq': '0' };
      reader.subscribe(to, (message) => {
        seen.push(Number(message.body));
        position = { seq: Number(message.headers.seq), epoch: message.headers.epoch };
      }, { receipt, 'include-position': 'true', ...from });
    },
  });
  clients.add(reader);
  t.after(() => {
    clients.delete(reader);
    return reader.deactivate();
  });
  reader.activate();
  await until(() => answers.length > 0, 'the first answer');
  for (let n = 1; n <= last; n += 20) {
    const done = publish(publisher, to, range(n, n + 19));
    // Somewhere within what it gets.
    await until(() => seen.length > n, 'some more');
    reader.forceDisconnect();
    await done;
  }
  await until(() => seen.length >= last, 'all messages', 15000);
  assert.deepEqual(seen, range(1, last));
  assert.ok(answers.length > 10, `${answers.length} connections`);
  assert.deepEqual(answers, answers.map(() => 'true'));
});

test('a gap that cannot be closed is told', async (t) => {
  const { client } = await connected(t);
  const to = unique('/topic/short/n');
  await publish(client, to, range(1, 50));
  const closed = await subscribed(client, to, { 'from-seq': '41' });
  assert.equal(closed.receipt.recovered, 'true');
  assert.deepEqual(await bodies(closed, 10), range(41, 50).map(String));
  const open = await subscribed(client, to, { 'from-seq': '40' });
  assert.equal(open.receipt.recovered, 'false');
  assert.deepEqual(await bodies(open, 10), range(41, 50).map(String));
});

test('another life of the broker is another epoch', async (t) => {
  const first = await Broker.start('--history', '/topic/#=100');
  const { client } = await connected(t, { brokerURL: first.url });
  const to = unique();
  const messages = await subscribed(client, to, { 'include-position': 'true' });
  await publish(client, to, ['1']);
  const { seq, epoch } = (await messages.take()).headers;
  await client.deactivate();
  await first.stop();

  const second = await Broker.start('--history', '/topic/#=100');
  t.after(() => second.stop());
  const { client: later } = await connected(t, { brokerURL: second.url });
  await publish(later, to, ['2', '3']);
  const resumed = await subscribed(later, to, { 'from-seq': String(Number(seq) + 1), 'from-epoch': epoch });
  assert.equal(resumed.receipt.recovered, 'false');
  assert.notEqual(resumed.receipt.epoch, epoch);
  assert.deepEqual(await bodies(resumed, 2), ['2', '3']);
  await later.deactivate();
});

test('the headers of streams', async (t) => {
  const { client } = await connected(t);
  const to = kept();
  await publish(client, to, range(1, 5));
  const from = async (offset) => subscribed(client, to, { 'x-stream-offset': offset });
  assert.deepEqual(await bodies(await from('first'), 5), ['1', '2', '3', '4', '5']);
  assert.deepEqual(await bodies(await from('last'), 1), ['5']);
  const messages = await from('offset=4');
  const message = await messages.take();
  assert.equal(message.body, '4');
  assert.equal(message.headers['x-stream-offset'], '4');
  const next = await from('next');
  const soon = await from(`timestamp=${Math.floor(Date.now() / 1000) - 60}`);
  assert.equal((await soon.take()).body, '1');
  await publish(client, to, ['6']);
  assert.equal((await next.take()).body, '6');
});

test('a replay is acknowledged like what is new', async (t) => {
  const { client } = await connected(t);
  const to = kept();
  await publish(client, to, range(1, 20));
  const messages = await subscribed(client, to, { 'from-seq': '1', ack: 'client-individual', 'prefetch-count': '1' });
  await publish(client, to, range(21, 30));
  for (const n of range(1, 30)) {
    const message = await messages.take();
    assert.equal(message.body, String(n));
    message.ack();
  }
});

test('who resumes without a receipt is refused', async (t) => {
  const { client, errors } = await connected(t);
  client.subscribe(kept(), () => {}, { 'from-seq': '5' });
  assert.equal((await errors.take('ERROR')).headers.message, 'missing-receipt');
});

test('a history that is larger than a reader may lag by', async (t) => {
  const { client } = await connected(t);
  const to = kept();
  const large = 'x'.repeat(20_000);
  await publish(client, to, range(1, 300).map((n) => `${n} ${large}`));
  const messages = await subscribed(client, to, { 'from-seq': '1' });
  const got = await bodies(messages, 300);
  assert.deepEqual(got.map((body) => parseInt(body, 10)), range(1, 300));
});

test('no more is kept than the flags allow', async (t) => {
  const small = await Broker.start('--max-retained', '2', '--retain-time', '24h', '--history', '/topic/kept/#=5,1K',
                                   '--shards', '1');
  const { client } = await connected(t, { brokerURL: small.url });
  t.after(() => small.stop());
  for (const name of ['a', 'b', 'c']) await publish(client, `/topic/limit/${name}`, [name], { retain: 'set' });
  const values = await subscribed(client, '/topic/limit/*');
  assert.deepEqual((await bodies(values, 2)).sort(), ['b', 'c']);
  // Five of them would fit by number, but not by size.
  await publish(client, '/topic/kept/a', range(1, 5).map((n) => `${n} ${'x'.repeat(300)}`));
  const messages = await subscribed(client, '/topic/kept/a', { 'from-seq': '0' });
  assert.equal(parseInt((await messages.take()).body, 10), 4);
  await client.deactivate();
});

test('nothing is left of clients', async () => {
  await Promise.all([...clients].map((client) => client.deactivate()));
  await broker.waitForEmptyTables();
});
