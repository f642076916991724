"""Against a running server: POSTHASTE_URL and POSTHASTE_KEY, as e2e/clients.py sets them."""

import os
import unittest

import httpx

from posthaste_client import Posthaste, PosthasteError, TaskFailed, WaitTimeout
from posthaste_client.raw.api.queues import list_queues

# Without a default: whoever develops may have a server of their own on port 8000.
URL = os.environ["POSTHASTE_URL"]
KEY = os.environ.get("POSTHASTE_KEY")


class Flaky(httpx.BaseTransport):
    """Away, then short of breath, then there."""

    def __init__(self):
        self.calls, self.real = 0, httpx.HTTPTransport()

    def handle_request(self, request):
        self.calls += 1
        if self.calls == 1:
            raise httpx.ConnectError("connection refused", request=request)
        if self.calls == 2:
            return httpx.Response(503, headers={"retry-after": "0"}, json={})
        return self.real.handle_request(request)


class ClientTest(unittest.TestCase):
    def setUp(self):
        self.posthaste = Posthaste(URL, KEY)
        self.addCleanup(self.posthaste.close)

    def test_sends_waits_and_reads_a_result(self):
        sent = self.posthaste.send("dev@example.com", subject="Hello", message="From Python.")
        result = self.posthaste.result(sent["id"])
        self.assertTrue(result["sandbox"])
        self.assertIn("dev@example.com", result["message"])

    def test_a_repeat_under_one_key_is_stored_once(self):
        first = self.posthaste.send("dev@example.com", message="once", idempotency_key="python-once")
        second = self.posthaste.send("dev@example.com", message="once", idempotency_key="python-once")
        self.assertEqual(first["id"], second["id"])

    def test_a_batch_answers_for_each(self):
        batch = self.posthaste.send_batch(
            [{"to": "a@example.com", "message": "1"}, {"to": "nobody", "message": "2"}], mode="permissive")
        self.assertEqual([e["index"] for e in batch["errors"]], [1])

    def test_a_problem_names_the_field(self):
        with self.assertRaises(PosthasteError) as caught:
            self.posthaste.send("nobody", channel="email", message="x")
        self.assertEqual((caught.exception.status, caught.exception.type), (422, "invalid-request"))
        self.assertTrue(any("to" in e["loc"] for e in caught.exception.errors))

    def test_a_task_that_fails_is_told_with_its_reason(self):
        sent = self.posthaste.enqueue("http", {"url": "http://127.0.0.1:9/"})
        with self.assertRaises(TaskFailed) as caught:
            self.posthaste.result(sent["id"])
        self.assertEqual(caught.exception.task["error"]["class"], "permanent")

    def test_a_task_that_does_not_end_is_waited_for_only_so_long(self):
        sent = self.posthaste.enqueue("nobody.runs.this", {}, delay_ms=3_600_000)
        with self.assertRaises(WaitTimeout):
            self.posthaste.wait(sent["id"], timeout=0.05)

    def test_a_server_that_is_away_for_a_moment_is_asked_again(self):
        transport = Flaky()
        with Posthaste(URL, KEY, transport=transport) as posthaste:
            self.assertIn("id", posthaste.send("dev@example.com", message="again"))
        self.assertEqual(transport.calls, 3)

    def test_lists_are_read_page_by_page(self):
        ids = {self.posthaste.send("pages@example.com", message=str(n))["id"] for n in range(3)}
        seen = {task["id"] for task in self.posthaste.pages("/v1/tasks", limit=1)}
        self.assertLessEqual(ids, seen)

    def test_the_typed_operations_answer(self):
        queues = list_queues.sync(client=self.posthaste.raw)
        self.assertIn("default", [queue.queue for queue in queues.data])


if __name__ == "__main__":
    unittest.main()
