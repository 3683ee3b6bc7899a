// What the tests of @stomp/stompjs share: clients that connect and subscribe, and are gone when a test ends.
import { Client } from '@stomp/stompjs';
import WebSocket from 'ws';
import { Inbox, unique, within } from './broker.mjs';

Object.assign(globalThis, { WebSocket });

// Those that are not deactivated yet.
export const clients = new Set();

// An active, connected client that is deactivated when the test ends. Requires: `options.brokerURL`.
export async function connected(t, options) {
  const inbox = { connects: new Inbox(), errors: new Inbox(), closes: new Inbox() };
  const client = new Client({
    reconnectDelay: 0,
    heartbeatIncoming: 0,
    heartbeatOutgoing: 0,
    onConnect: (frame) => inbox.connects.put(frame),
    onStompError: (frame) => inbox.errors.put(frame),
    onWebSocketClose: (event) => inbox.closes.put(event),
    ...options,
  });
  clients.add(client);
  t.after(async () => {
    clients.delete(client);
    await within(client.deactivate(), 'deactivate() finishes');
  });
  client.activate();
  const frame = await inbox.connects.take('CONNECTED');
  return { client, frame, ...inbox };
}

// Of tests that ended before they could.
export function deactivateAll() {
  for (const client of clients) client.deactivate({ force: true });
}

// SUBSCRIBE and its RECEIPT, whose headers are `receipt`; what comes is in the inbox.
export async function subscribed(client, destination, headers = {}) {
  const messages = new Inbox();
  const receipt = unique('receipt-');
  const live = new Promise((resolve) => client.watchForReceipt(receipt, resolve));
  const subscription = client.subscribe(destination, (message) => messages.put(message), { receipt, ...headers });
  const frame = await within(live, 'the receipt of SUBSCRIBE');
  return Object.assign(messages, { subscription, receipt: frame.headers });
}
