// node-redis: RESP2 and RESP3, transactions with WATCH, scripts, functions, pub/sub, client-side cache, streams.
import assert from "node:assert";
import { createClient, defineScript } from "redis";

const [host, port] = [process.argv[2], Number(process.argv[3])];
for (const RESP of [2, 3]) {
  const add = defineScript({
    NUMBER_OF_KEYS: 1,
    SCRIPT: "return redis.call('incrby', KEYS[1], ARGV[1])",
    parseCommand(parser, key, amount) { parser.pushKey(key); parser.push(amount.toString()); },
    transformReply: (reply) => reply,
  });
  const client = await createClient({ socket: { host, port }, RESP, scripts: { add } }).connect();
  await client.flushAll();
  assert.strictEqual(await client.set("k", "v", { EX: 30 }), "OK");
  assert.strictEqual(await client.add("n", 42), 42);
  assert.deepStrictEqual(await client.multi().incr("n").get("k").exec(), [43, "v"]);
  assert.deepStrictEqual({ ...(await client.hSet("h", { f: "1" }), await client.hGetAll("h")) }, { f: "1" });
  await client.zAdd("z", [{ score: 1.5, value: "a" }]);
  assert.deepStrictEqual(await client.zRangeWithScores("z", 0, -1), [{ value: "a", score: 1.5 }]);
  const subscriber = client.duplicate();
  await subscriber.connect();
  const heard = new Promise((resolve) => subscriber.subscribe("news", resolve));
  while (!(await client.publish("news", "hello")));
  assert.strictEqual(await heard, "hello");
  const waiting = subscriber.duplicate();
  await waiting.connect();
  const popped = waiting.blPop("queue", 5);
  await client.rPush("queue", "job");
  assert.deepStrictEqual({ ...(await popped) }, { key: "queue", element: "job" });
  await client.functionLoad("#!lua name=mine\nredis.register_function('f', function(keys, args) return args[1] end)", { REPLACE: true });
  assert.strictEqual(await client.fCall("f", { keys: [], arguments: ["x"] }), "x");
  const keys = [];
  for await (const found of client.scanIterator()) keys.push(...[found].flat());
  assert.ok(keys.includes("k"));
  for (const each of [client, subscriber, waiting]) each.destroy();
}
