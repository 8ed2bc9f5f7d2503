// node-postgres with its pool. See loop.py for what the arguments and the output are.
'use strict';
const crypto = require('crypto');
const { Pool } = require('pg');

const NOTHING_HAPPENED = new Set(['40001', '57P03', '25006']);
const INSERT = 'insert into endpoint_rows (key) values ($1)';
const COUNT = 'select count(*)::int as seen from endpoint_rows where key = $1';

const [dsn, seconds, connections] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4] || 2)];
const words = Object.fromEntries(dsn.split(/\s+/).map((word) => {
  const at = word.indexOf('=');
  return [word.slice(0, at), word.slice(at + 1)];
}));
const result = { acknowledged: [], failed: [], unknown: [], errors: [], connects: 0, longest_ms: 0 };
let ended = false;

const pool = new Pool({
  host: words.host, port: Number(words.port), database: words.dbname, user: words.user,
  password: words.password, max: connections, idleTimeoutMillis: 0,
  ssl: ['disable', 'allow', 'prefer', undefined].includes(words.sslmode)
    ? false : { rejectUnauthorized: false },
});
pool.on('connect', (client) => {
  result.connects += 1;
  client.on('error', () => {});  // it ended between two statements; the next one is refused
});
pool.on('error', () => {});  // an idle connection that ended; the pool takes it out

function note(error, key) {
  if (result.errors.length < 100) {
    result.errors.push(`${error.code && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : '-----'} ${error.message}`);
  }
  if (key) (NOTHING_HAPPENED.has(error.code) ? result.failed : result.unknown).push(key);
}

function acknowledge(key, began) {
  result.acknowledged.push(key);
  result.longest_ms = Math.max(result.longest_ms, performance.now() - began);
}

async function inTransaction(key) {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('begin');
    await client.query(INSERT, [key]);
    const { rows } = await client.query({ name: 'count', text: COUNT, values: [key] });
    await client.query('commit');
    return rows[0].seen;
  } catch (error) {
    await client.query('rollback').catch(() => { broken = true; });
    throw error;
  } finally {
    client.release(broken);
  }
}

async function write(prefix) {
  for (let number = 1; !ended; number += 1) {
    const key = `${prefix}-${number}`;
    const began = performance.now();
    let told = false;
    try {
      let seen;
      if (number % 2) {
        seen = await inTransaction(key);
        acknowledge(key, began);
      } else {
        await pool.query(INSERT, [key]);
        acknowledge(key, began);
        told = true;
        seen = (await pool.query({ name: 'count', text: COUNT, values: [key] })).rows[0].seen;
      }
      if (seen !== 1) note(new Error(`the row ${key} is there ${seen} times`));
    } catch (error) {
      note(error, told ? undefined : key);
    }
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}

async function main() {
  const run = crypto.randomBytes(4).toString('hex');
  process.on('SIGTERM', () => { ended = true; });
  setTimeout(() => { ended = true; }, 1000 * seconds).unref();
  await Promise.all(Array.from({ length: connections }, (_, i) => write(`${run}-${i}`)));
  await pool.end();
  result.transactions = result.acknowledged.length;
  result.longest_ms = Math.round(10 * result.longest_ms) / 10;
  console.log(JSON.stringify(result));
}

main();
