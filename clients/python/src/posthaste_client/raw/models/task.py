from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.priority import Priority
from ..models.state import State
from ..types import UNSET, Unset
from typing import cast
from uuid import UUID
import datetime

if TYPE_CHECKING:
  from ..models.attempt import Attempt
  from ..models.retry_policy import RetryPolicy
  from ..models.task_error import TaskError





T = TypeVar("T", bound="Task")



@_attrs_define
class Task:
    """ A task. Fields without a value are left out.

        Example:
            {'attempt': 1, 'attempts': [{'attempt': 1, 'counted': False, 'ended_at': '2026-01-31T09:30:00.480Z',
                'generation': 1, 'outcome': 'succeeded', 'started_at': '2026-01-31T09:30:00.120Z', 'worker': 'mail-1:4711:a3'}],
                'cancel_requested': False, 'created_at': '2026-01-31T09:30:00.000Z', 'due_at': '2026-01-31T09:30:00.000Z',
                'failures': 0, 'finished_at': '2026-01-31T09:30:00.480Z', 'generation': 1, 'id':
                '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58', 'kind': 'notify', 'lane': 'email:default', 'payload': {'channel':
                'email', 'message': 'Hello!', 'to': 'ann@example.com'}, 'priority': 'normal', 'queue': 'default', 'result':
                {'message': 'Notification sent to ann@example.com', 'sandbox': False}, 'retry': {'backoff': {'delays_ms':
                [30000, 120000, 600000], 'type': 'listed'}, 'max_age_ms': 259200000, 'max_failures': 8, 'on_ambiguous': 'retry',
                'timeout_ms': 660000}, 'started_at': '2026-01-31T09:30:00.120Z', 'state': 'succeeded'}

        Attributes:
            attempt (int): The latest attempt of this generation; 0 before the first.
            cancel_requested (bool): Whether a cancel was requested while it runs.
            created_at (datetime.datetime): A time, RFC 3339 in UTC.
            due_at (datetime.datetime): A time, RFC 3339 in UTC.
            failures (int): Attempts of this generation that counted against `max_failures`.
            generation (int): Which generation, from 1; a retry by a person starts a new one.
            id (UUID): A UUID.
            kind (str): Selects the handler.
            priority (Priority): How urgent a task is within its queue.
            queue (str): Where it waits.
            retry (RetryPolicy): When a task is tried again and when it is given up.
            state (State): Where a task is in its life.
            attempts (list[Attempt] | Unset): Its log, at most the last 50; left out of lists.
            batch (UUID | Unset): A UUID.
            error (TaskError | Unset): Why the last try or the task as a whole did not succeed. Example: {'class':
                'permanent', 'code': '550 5.7.1', 'message': 'The server said 550 5.7.1 relaying denied', 'reason':
                'permanent'}.
            expires_at (datetime.datetime | Unset): A time, RFC 3339 in UTC.
            finished_at (datetime.datetime | Unset): A time, RFC 3339 in UTC.
            lane (str | Unset): Its lane, `target` or `target/tenant`; left out for the queue's default lane.
            payload (Any | Unset): What the handler gets; left out of lists.
            result (Any | Unset): What the handler returned; left out of lists.
            started_at (datetime.datetime | Unset): A time, RFC 3339 in UTC.
            tenant (str | Unset): Whose task it is.
            unique_key (str | Unset): Its unique key.
            worker (str | Unset): Who runs it.
     """

    attempt: int
    cancel_requested: bool
    created_at: datetime.datetime
    due_at: datetime.datetime
    failures: int
    generation: int
    id: UUID
    kind: str
    priority: Priority
    queue: str
    retry: RetryPolicy
    state: State
    attempts: list[Attempt] | Unset = UNSET
    batch: UUID | Unset = UNSET
    error: TaskError | Unset = UNSET
    expires_at: datetime.datetime | Unset = UNSET
    finished_at: datetime.datetime | Unset = UNSET
    lane: str | Unset = UNSET
    payload: Any | Unset = UNSET
    result: Any | Unset = UNSET
    started_at: datetime.datetime | Unset = UNSET
    tenant: str | Unset = UNSET
    unique_key: str | Unset = UNSET
    worker: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.attempt import Attempt # noqa: PLC0415
        from ..models.retry_policy import RetryPolicy # noqa: PLC0415
        from ..models.task_error import TaskError # noqa: PLC0415
        attempt = self.attempt

        cancel_requested = self.cancel_requested

        created_at = self.created_at.isoformat()

        due_at = self.due_at.isoformat()

        failures = self.failures

        generation = self.generation

        id = str(self.id)

        kind = self.kind

        priority = self.priority.value

        queue = self.queue

        retry = self.retry.to_dict()

        state = self.state.value

        attempts: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.attempts, Unset):
            attempts = []
            for attempts_item_data in self.attempts:
                attempts_item = attempts_item_data.to_dict()
                attempts.append(attempts_item)



        batch: str | Unset = UNSET
        if not isinstance(self.batch, Unset):
            batch = str(self.batch)

        error: dict[str, Any] | Unset = UNSET
        if not isinstance(self.error, Unset):
            error = self.error.to_dict()

        expires_at: str | Unset = UNSET
        if not isinstance(self.expires_at, Unset):
            expires_at = self.expires_at.isoformat()

        finished_at: str | Unset = UNSET
        if not isinstance(self.finished_at, Unset):
            finished_at = self.finished_at.isoformat()

        lane = self.lane

        payload = self.payload

        result = self.result

        started_at: str | Unset = UNSET
        if not isinstance(self.started_at, Unset):
            started_at = self.started_at.isoformat()

        tenant = self.tenant

        unique_key = self.unique_key

        worker = self.worker


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "attempt": attempt,
            "cancel_requested": cancel_requested,
            "created_at": created_at,
            "due_at": due_at,
            "failures": failures,
            "generation": generation,
            "id": id,
            "kind": kind,
            "priority": priority,
            "queue": queue,
            "retry": retry,
            "state": state,
        })
        if attempts is not UNSET:
            field_dict["attempts"] = attempts
        if batch is not UNSET:
            field_dict["batch"] = batch
        if error is not UNSET:
            field_dict["error"] = error
        if expires_at is not UNSET:
            field_dict["expires_at"] = expires_at
        if finished_at is not UNSET:
            field_dict["finished_at"] = finished_at
        if lane is not UNSET:
            field_dict["lane"] = lane
        if payload is not UNSET:
            field_dict["payload"] = payload
        if result is not UNSET:
            field_dict["result"] = result
        if started_at is not UNSET:
            field_dict["started_at"] = started_at
        if tenant is not UNSET:
            field_dict["tenant"] = tenant
        if unique_key is not UNSET:
            field_dict["unique_key"] = unique_key
        if worker is not UNSET:
            field_dict["worker"] = worker

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.attempt import Attempt # noqa: PLC0415
        from ..models.retry_policy import RetryPolicy # noqa: PLC0415
        from ..models.task_error import TaskError # noqa: PLC0415
        d = dict(src_dict)
        attempt = d.pop("attempt")

        cancel_requested = d.pop("cancel_requested")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))




        due_at = datetime.datetime.fromisoformat(d.pop("due_at"))




        failures = d.pop("failures")

        generation = d.pop("generation")

        id = UUID(d.pop("id"))




        kind = d.pop("kind")

        priority = Priority(d.pop("priority"))




        queue = d.pop("queue")

        retry = RetryPolicy.from_dict(d.pop("retry"))




        state = State(d.pop("state"))




        _attempts = d.pop("attempts", UNSET)
        attempts: list[Attempt] | Unset = UNSET
        if _attempts is not UNSET:
            attempts = []
            for attempts_item_data in _attempts:
                attempts_item = Attempt.from_dict(attempts_item_data)



                attempts.append(attempts_item)


        _batch = d.pop("batch", UNSET)
        batch: UUID | Unset
        if isinstance(_batch,  Unset):
            batch = UNSET
        else:
            batch = UUID(_batch)




        _error = d.pop("error", UNSET)
        error: TaskError | Unset
        if isinstance(_error,  Unset):
            error = UNSET
        else:
            error = TaskError.from_dict(_error)




        _expires_at = d.pop("expires_at", UNSET)
        expires_at: datetime.datetime | Unset
        if isinstance(_expires_at,  Unset):
            expires_at = UNSET
        else:
            expires_at = datetime.datetime.fromisoformat(_expires_at)




        _finished_at = d.pop("finished_at", UNSET)
        finished_at: datetime.datetime | Unset
        if isinstance(_finished_at,  Unset):
            finished_at = UNSET
        else:
            finished_at = datetime.datetime.fromisoformat(_finished_at)




        lane = d.pop("lane", UNSET)

        payload = d.pop("payload", UNSET)

        result = d.pop("result", UNSET)

        _started_at = d.pop("started_at", UNSET)
        started_at: datetime.datetime | Unset
        if isinstance(_started_at,  Unset):
            started_at = UNSET
        else:
            started_at = datetime.datetime.fromisoformat(_started_at)




        tenant = d.pop("tenant", UNSET)

        unique_key = d.pop("unique_key", UNSET)

        worker = d.pop("worker", UNSET)

        task = cls(
            attempt=attempt,
            cancel_requested=cancel_requested,
            created_at=created_at,
            due_at=due_at,
            failures=failures,
            generation=generation,
            id=id,
            kind=kind,
            priority=priority,
            queue=queue,
            retry=retry,
            state=state,
            attempts=attempts,
            batch=batch,
            error=error,
            expires_at=expires_at,
            finished_at=finished_at,
            lane=lane,
            payload=payload,
            result=result,
            started_at=started_at,
            tenant=tenant,
            unique_key=unique_key,
            worker=worker,
        )


        task.additional_properties = d
        return task

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
