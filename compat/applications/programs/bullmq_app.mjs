// BullMQ: jobs, results, delays, retries with backoff, priorities, flows, repeated jobs, events; fifty Lua scripts.
import assert from "node:assert";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";

const connection = { host: process.argv[2], port: Number(process.argv[3]), maxRetriesPerRequest: null };
const queue = new Queue("app", { connection });
await queue.obliterate({ force: true });
const events = new QueueEvents("app", { connection });
await events.waitUntilReady();
let tries = 0;
const worker = new Worker("app", async (job) => {
  if (job.name === "flaky" && ++tries < 3) throw new Error("as asked");
  if (job.name === "parent") return Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0);
  await job.updateProgress(50);
  return (job.data.a ?? 0) + (job.data.b ?? 0);
}, { connection, concurrency: 4 });
await worker.waitUntilReady();
const result = (job) => job.waitUntilFinished(events, 20000);
assert.strictEqual(await result(await queue.add("add", { a: 40, b: 2 })), 42);
assert.strictEqual(await result(await queue.add("late", { a: 1, b: 1 }, { delay: 300 })), 2);
assert.strictEqual(await result(await queue.add("flaky", { a: 1 }, { attempts: 5, backoff: { type: "fixed", delay: 50 } })), 1);
assert.strictEqual(tries, 3);
assert.strictEqual(await result(await queue.add("first", { a: 3 }, { priority: 1 })), 3);
const many = await queue.addBulk(Array.from({ length: 50 }, (_, n) => ({ name: "many", data: { a: n } })));
assert.deepStrictEqual(await Promise.all(many.map(result)), Array.from({ length: 50 }, (_, n) => n));
const flows = new FlowProducer({ connection });
const child = (a) => ({ name: "child", queueName: "app", data: { a } });
const flow = await flows.add({ name: "parent", queueName: "app", children: [child(1), child(2), child(3)] });
assert.strictEqual(await result(flow.job), 6);
await queue.upsertJobScheduler("tick", { every: 100 }, { name: "tick", data: { a: 9 } });
await new Promise((resolve) => events.on("completed", ({ returnvalue }) => Number(returnvalue) === 9 && resolve()));
await queue.removeJobScheduler("tick");
assert.ok((await queue.getJobCounts()).completed > 50);
await queue.pause();
assert.ok(await queue.isPaused());
await Promise.all([worker.close(), flows.close()]);
await events.close();
await queue.close();
