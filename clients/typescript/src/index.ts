/**
 * Client of Posthaste. `Posthaste` sends, waits and reads results; its `raw` calls every operation of the server, with
 * types generated from its OpenAPI document.
 */

import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, paths } from "./schema.js";

/** A task as the server tells it. */
export type Task = components["schemas"]["Task"];
/** What a server answers when it stored a task. */
export type Enqueued = components["schemas"]["Enqueued"];

/** What is wrong with one field. */
export interface FieldError {
  loc: (string | number)[];
  msg: string;
  type: string;
}

/** Whether a body may be sent again under the same key, how long to wait, and so on. */
export interface Options {
  /** The API key; none for a server that has none. */
  key?: string;
  /** How often a request is repeated while the server is away (4). */
  retries?: number;
  /** For tests and proxies. */
  fetch?: typeof globalThis.fetch;
}

const AGAIN = new Set([429, 503]);
const MAX_WAIT_MS = 60_000;

/** An answer other than 2xx: a problem of RFC 9457. */
export class PosthasteError extends Error {
  readonly type: string;
  readonly title: string;
  readonly detail?: string;
  readonly errors: FieldError[];

  constructor(readonly status: number, problem: Record<string, unknown>) {
    const title = typeof problem.title === "string" ? problem.title : `the server answered ${status}`;
    const errors = Array.isArray(problem.errors) ? (problem.errors as FieldError[]) : [];
    const where = errors.map((e) => `${e.loc.join(".")}: ${e.msg}`).join("; ");
    const detail = typeof problem.detail === "string" ? problem.detail : undefined;
    super([title, where || detail].filter(Boolean).join(": "));
    this.name = "PosthasteError";
    this.type = String(problem.type ?? "about:blank").replace("urn:posthaste:error:", "");
    this.title = title;
    this.detail = detail;
    this.errors = errors;
  }
}

/** The task ended without success. */
export class TaskFailed extends Error {
  constructor(readonly task: Task) {
    super(`task ${task.id} is ${task.state}: ${task.error?.message ?? "no reason given"}`);
    this.name = "TaskFailed";
  }
}

/** The task did not end in time; it goes on all the same. */
export class WaitTimeout extends Error {
  override name = "WaitTimeout";
}

type Body = Record<string, unknown>;

/** A server, and a key for it. */
export class Posthaste {
  /** Every operation, typed: `raw.GET("/v1/queues")`. */
  readonly raw: Client<paths>;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #retries: number;
  readonly #fetch: typeof globalThis.fetch;

  constructor(url = "http://127.0.0.1:8000", options: Options = {}) {
    this.#url = url.replace(/\/+$/, "");
    this.#headers = options.key ? { authorization: `Bearer ${options.key}` } : {};
    this.#retries = options.retries ?? 4;
    this.#fetch = options.fetch ?? globalThis.fetch;
    this.raw = createClient<paths>({ baseUrl: this.#url, headers: this.#headers, fetch: options.fetch });
  }

  /** Stores a notification: `send("dev@example.com", { subject: "Hi", message: "…" })`. */
  send(to: string | string[] | Body, fields: Body = {}, idempotencyKey?: string): Promise<Enqueued> {
    return this.#enqueue("/v1/notifications", { to, ...fields }, idempotencyKey);
  }

  /** Stores up to 1,000 notifications; in `permissive` mode the good ones, and tells of the others. */
  sendBatch(
    notifications: Body[],
    fields: Body = {},
    idempotencyKey?: string,
  ): Promise<components["schemas"]["BatchAccepted"]> {
    return this.#enqueue("/v1/notifications/batch", { notifications, ...fields }, idempotencyKey);
  }

  /** Stores a task of any kind. */
  enqueue(kind: string, payload: unknown, fields: Body = {}, idempotencyKey?: string): Promise<Enqueued> {
    return this.#enqueue("/v1/tasks", { kind, payload, ...fields }, idempotencyKey);
  }

  /** The task as it is now. */
  task(id: string): Promise<Task> {
    return this.request("GET", `/v1/tasks/${encodeURIComponent(id)}`);
  }

  /** The task once it has ended, however it ended. Throws WaitTimeout. */
  async wait(id: string, timeoutMs = 60_000): Promise<Task> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const left = Math.max(0, deadline - Date.now());
      const wait = Math.min(left, MAX_WAIT_MS);
      const task: Task = await this.request("GET", `/v1/tasks/${encodeURIComponent(id)}?wait=${wait}ms`);
      if (task.finished_at) return task;
      if (left <= 0) throw new WaitTimeout(`task ${id} is still ${task.state} after ${timeoutMs} ms`);
    }
  }

  /** What the task returned. Throws TaskFailed if it ended without success, WaitTimeout if it did not end. */
  async result(id: string, timeoutMs = 60_000): Promise<unknown> {
    const task = await this.wait(id, timeoutMs);
    if (task.state !== "succeeded") throw new TaskFailed(task);
    return task.result;
  }

  /** Any request of the API, repeated where that is safe; its JSON. Throws PosthasteError. */
  async request<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const safe = method !== "POST" || "idempotency-key" in headers;
    const init: RequestInit = { method, headers: { ...this.#headers, ...headers } };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { ...init.headers, "content-type": "application/json" };
    }
    for (let attempt = 0; ; attempt++) {
      let answer: Response;
      try {
        answer = await this.#fetch(this.#url + path, init);
      } catch (error) {
        if (!safe || attempt >= this.#retries) throw error;
        await pause(attempt, null);
        continue;
      }
      if (answer.ok) {
        const text = await answer.text();
        return (text ? JSON.parse(text) : undefined) as T;
      }
      if (!AGAIN.has(answer.status) || attempt >= this.#retries) {
        throw new PosthasteError(answer.status, await problemOf(answer));
      }
      await answer.body?.cancel();
      await pause(attempt, answer.headers.get("retry-after"));
    }
  }

  // One key for all repeats of a call: the server stores it once.
  #enqueue<T>(path: string, body: Body, key = crypto.randomUUID() as string): Promise<T> {
    return this.request("POST", path, body, { "idempotency-key": key });
  }
}

async function problemOf(answer: Response): Promise<Record<string, unknown>> {
  const text = await answer.text();
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { detail: text.slice(0, 200) };
  }
}

function pause(attempt: number, asked: string | null): Promise<void> {
  const own = Math.min(200 * 2 ** attempt, 5_000) * (0.5 + Math.random() / 2);
  const ms = asked && /^\d+$/.test(asked) ? Number(asked) * 1000 : own;
  return new Promise((done) => setTimeout(done, ms));
}
