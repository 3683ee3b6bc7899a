// Starts and stops one broker for a test program, and small tools to wait with a deadline. The environment is the one
// that broker.py describes: STAMPEDE_BINARY, SHARDS, STAMPEDE_TEST_SLOWDOWN.
import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const slowdown = Number(process.env.STAMPEDE_TEST_SLOWDOWN ?? 1);
export const shards = Number(process.env.SHARDS ?? 1);
export const deadline = (milliseconds) => milliseconds * slowdown;

// Rejects when the promise takes longer than that.
export function within(promise, what, milliseconds = 5000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${deadline(milliseconds)} ms: ${what}`)),
                       deadline(milliseconds));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Polls something that nobody can tell us about.
export async function until(condition, what, milliseconds = 5000) {
  const end = Date.now() + deadline(milliseconds);
  for (;;) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`not within ${deadline(milliseconds)} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// What has come and not been taken yet: put() by a callback, take() by the test.
export class Inbox {
  #items = [];
  #waiting = [];

  put(item) {
    const taker = this.#waiting.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  get size() {
    return this.#items.length;
  }

  take(what = 'something to come', milliseconds = 5000) {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    let taker;
    const item = new Promise((resolve) => {
      taker = resolve;
      this.#waiting.push(taker);
    });
    return within(item, what, milliseconds).catch((error) => {
      this.#waiting = this.#waiting.filter((other) => other !== taker);
      throw error;
    });
  }
}

let counter = 0;
export const unique = (prefix = '/topic/n') => `${prefix}${counter++}`;

const running = new Set();
process.on('exit', () => {
  for (const broker of running) broker.kill();
});

export class Broker {
  static async start(...flags) {
    const broker = new Broker();
    try {
      await broker.#start(flags);
      return broker;
    } catch (error) {
      broker.kill();
      throw error;
    }
  }

  async #start(flags) {
    const binary = process.env.STAMPEDE_BINARY;
    if (!binary) throw new Error('STAMPEDE_BINARY is not set: the path of the broker to test');
    this.directory = mkdtempSync(join(tmpdir(), 'stampede-e2e-'));
    this.stderrPath = join(this.directory, 'stderr');
    const portsFile = join(this.directory, 'ports.json');
    const stderr = openSync(this.stderrPath, 'w');
    // STAMPEDE_ names are settings of the broker's too: it gets none of ours.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STAMPEDE_')));
    // The broker dies with this program, even if it is killed itself.
    this.process = spawn('setpriv', ['--pdeathsig', 'KILL', '--', binary, '--listen', 'ws://127.0.0.1:0', '--listen',
      'stomp://127.0.0.1:0', '--admin', 'off', '--ports-file', portsFile, '--shards', String(shards), ...flags],
      { stdio: ['ignore', 'pipe', stderr], env });
    closeSync(stderr);
    running.add(this);
    this.exited = new Promise((resolve) => {
      this.process.on('exit', (code, signal) => resolve(code ?? signal));
      this.process.on('error', (error) => resolve(String(error)));
    });
    const ready = new Promise((resolve) => {
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        if (line === 'ready') resolve('ready');
      });
    });
    const outcome = await within(Promise.race([ready, this.exited]), 'the broker is ready', 15000);
    if (outcome !== 'ready') throw new Error(`the broker ended with ${outcome}; stderr:\n${this.stderr()}`);
    this.ports = JSON.parse(readFileSync(portsFile, 'utf8'));
    this.wsPort = this.ports.listeners.find((entry) => entry.transport === 'ws').port;
    this.tcpPort = this.ports.listeners.find((entry) => entry.transport !== 'ws').port;
    this.url = `ws://127.0.0.1:${this.wsPort}/stomp`;
  }

  stderr() {
    return readFileSync(this.stderrPath, 'utf8');
  }

  // The sums over all shards of what SIGUSR2 makes the broker log, e.g. { clients: 2, ... }.
  async tables() {
    const before = this.stderr().length;
    this.process.kill('SIGUSR2');
    let lines = [];
    await until(() => {
      const text = this.stderr().slice(before);
      lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter((line) => line.includes('pattern_interests='));
      return lines.length >= shards;
    }, 'a line of tables for each shard after SIGUSR2');
    const sums = {};
    for (const line of lines.slice(0, shards)) {
      for (const [, key, value] of line.matchAll(/\b(\w+)=(\d+)\b/g)) sums[key] = (sums[key] ?? 0) + Number(value);
    }
    return sums;
  }

  // Waits until nothing but remembered destinations is left of any client.
  async waitForEmptyTables() {
    const keys = ['clients', 'subscriptions', 'cursors', 'groups', 'topics', 'interested', 'pattern_interests', 'log_bytes'];
    let last;
    try {
      await until(async () => {
        last = await this.tables();
        return keys.every((key) => last[key] === 0);
      }, 'every table is empty');
    } catch (error) {
      throw new Error(`${error.message}; last: ${JSON.stringify(last)}`);
    }
  }

  // SIGTERM, then a clean exit: what every test program ends with.
  async stop() {
    try {
      this.process.kill('SIGTERM');
      const outcome = await within(this.exited, 'the broker exits after SIGTERM', 15000);
      if (outcome !== 0) throw new Error(`the broker exited with ${outcome}; stderr ends:\n${this.stderr().slice(-6000)}`);
    } finally {
      this.kill();
    }
  }

  kill() {
    running.delete(this);
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGKILL');
    if (this.directory) rmSync(this.directory, { recursive: true, force: true });
  }
}
