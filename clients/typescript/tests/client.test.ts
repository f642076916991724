// Against a running server: POSTHASTE_URL and POSTHASTE_KEY, as e2e/clients.py sets them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Posthaste, PosthasteError, TaskFailed, WaitTimeout } from "../src/index.js";

// Without a default: whoever develops may have a server of their own on port 8000.
const url = process.env.POSTHASTE_URL ?? assert.fail("POSTHASTE_URL names the server to be tested against");
const key = process.env.POSTHASTE_KEY;
const posthaste = new Posthaste(url, { key });

test("sends, waits and reads a result", async () => {
  const sent = await posthaste.send("dev@example.com", { subject: "Hello", message: "From TypeScript." });
  const result = (await posthaste.result(sent.id)) as { message: string; sandbox: boolean };
  assert.equal(result.sandbox, true);
  assert.match(result.message, /dev@example\.com/);
});

test("a repeat under one key is stored once", async () => {
  const first = await posthaste.send("dev@example.com", { message: "once" }, "typescript-once");
  const second = await posthaste.send("dev@example.com", { message: "once" }, "typescript-once");
  assert.equal(second.id, first.id);
});

test("a batch answers for each", async () => {
  const batch = await posthaste.sendBatch(
    [{ to: "a@example.com", message: "1" }, { to: "nobody", message: "2" }],
    { mode: "permissive" },
  );
  assert.equal(batch.errors.length, 1);
  assert.equal(batch.errors[0]?.index, 1);
});

test("a problem names the field", async () => {
  await assert.rejects(posthaste.send("nobody", { channel: "email", message: "x" }), (error: unknown) => {
    assert.ok(error instanceof PosthasteError);
    assert.equal(error.status, 422);
    assert.equal(error.type, "invalid-request");
    assert.ok(error.errors.some((e) => e.loc.includes("to")));
    return true;
  });
});

test("a task that fails is told with its reason", async () => {
  const sent = await posthaste.enqueue("http", { url: "http://127.0.0.1:9/" });
  await assert.rejects(posthaste.result(sent.id), (error: unknown) => {
    assert.ok(error instanceof TaskFailed);
    assert.equal(error.task.error?.class, "permanent");
    return true;
  });
});

test("a task that does not end is waited for only so long", async () => {
  const sent = await posthaste.enqueue("nobody.runs.this", {}, { delay_ms: 3_600_000 });
  await assert.rejects(posthaste.wait(sent.id, 50), WaitTimeout);
});

test("a server that is away for a moment is asked again", async () => {
  let calls = 0;
  const flaky: typeof fetch = async (input, init) => {
    calls += 1;
    if (calls === 1) throw new TypeError("connection refused");
    if (calls === 2) return new Response("{}", { status: 503, headers: { "retry-after": "0" } });
    return fetch(input, init);
  };
  const sent = await new Posthaste(url, { key, fetch: flaky }).send("dev@example.com", { message: "again" });
  assert.equal(calls, 3);
  assert.ok(sent.id);
});

test("the typed operations answer", async () => {
  const { data } = await posthaste.raw.GET("/v1/queues");
  assert.ok(data?.data.some((queue) => queue.queue === "default"));
});
