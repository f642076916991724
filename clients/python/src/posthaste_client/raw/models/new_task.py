from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.priority import Priority
from ..types import UNSET, Unset
from typing import cast
from uuid import UUID
import datetime

if TYPE_CHECKING:
  from ..models.retry_override import RetryOverride
  from ..models.unique import Unique





T = TypeVar("T", bound="NewTask")



@_attrs_define
class NewTask:
    """ A task to be enqueued.

        Example:
            {'delay_ms': 5000, 'kind': 'report.build', 'payload': {'month': '2026-01'}, 'priority': 'high', 'queue':
                'reports', 'retry': {'max_failures': 3}}

        Attributes:
            kind (str): Selects the handler.
            payload (Any): What the handler gets: any JSON up to 256 KiB, kept as it is written. Of kind `notify`:
                `{"channel": "email", "to", "subject"?, "message"?, "html"?, "reply_to"?, "headers"?,
                "provider"?}`, `headers` being an object of texts.
            callback_url (None | str | Unset): Told by a signed POST when the task is final.
            delay_ms (int | None | Unset): How long after `due_at` it is ready, or after it was accepted if there is none,
                in
                milliseconds.
            due_at (datetime.datetime | None | Unset):
            expires_at (datetime.datetime | None | Unset):
            id (None | Unset | UUID):
            lane (None | str | Unset): Its lane, `target` or `target/tenant`. One that is named like a lane of ours
                (`email:default`, `http:example.com`) is kept
                behind `x:`; that of a tenant's key is its own, shown as `x:target/tenant`.
            priority (None | Priority | Unset):
            queue (None | str | Unset): Where it waits; `default` if left out.
            recipient (None | str | Unset): Whom it is for, as `channel:address`, so that it is found and erased with what
                else was for them; of kind
                `notify` known from the payload.
            retry (None | RetryOverride | Unset):
            tenant (None | str | Unset): Whose task it is; a key that is bound to a tenant makes its own.
            unique (None | Unique | Unset):
     """

    kind: str
    payload: Any
    callback_url: None | str | Unset = UNSET
    delay_ms: int | None | Unset = UNSET
    due_at: datetime.datetime | None | Unset = UNSET
    expires_at: datetime.datetime | None | Unset = UNSET
    id: None | Unset | UUID = UNSET
    lane: None | str | Unset = UNSET
    priority: None | Priority | Unset = UNSET
    queue: None | str | Unset = UNSET
    recipient: None | str | Unset = UNSET
    retry: None | RetryOverride | Unset = UNSET
    tenant: None | str | Unset = UNSET
    unique: None | Unique | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        from ..models.retry_override import RetryOverride # noqa: PLC0415
        from ..models.unique import Unique # noqa: PLC0415
        kind = self.kind

        payload = self.payload

        callback_url: None | str | Unset
        if isinstance(self.callback_url, Unset):
            callback_url = UNSET
        else:
            callback_url = self.callback_url

        delay_ms: int | None | Unset
        if isinstance(self.delay_ms, Unset):
            delay_ms = UNSET
        else:
            delay_ms = self.delay_ms

        due_at: None | str | Unset
        if isinstance(self.due_at, Unset):
            due_at = UNSET
        elif isinstance(self.due_at, datetime.datetime):
            due_at = self.due_at.isoformat()
        else:
            due_at = self.due_at

        expires_at: None | str | Unset
        if isinstance(self.expires_at, Unset):
            expires_at = UNSET
        elif isinstance(self.expires_at, datetime.datetime):
            expires_at = self.expires_at.isoformat()
        else:
            expires_at = self.expires_at

        id: None | str | Unset
        if isinstance(self.id, Unset):
            id = UNSET
        elif isinstance(self.id, UUID):
            id = str(self.id)
        else:
            id = self.id

        lane: None | str | Unset
        if isinstance(self.lane, Unset):
            lane = UNSET
        else:
            lane = self.lane

        priority: None | str | Unset
        if isinstance(self.priority, Unset):
            priority = UNSET
        elif isinstance(self.priority, Priority):
            priority = self.priority.value
        else:
            priority = self.priority

        queue: None | str | Unset
        if isinstance(self.queue, Unset):
            queue = UNSET
        else:
            queue = self.queue

        recipient: None | str | Unset
        if isinstance(self.recipient, Unset):
            recipient = UNSET
        else:
            recipient = self.recipient

        retry: dict[str, Any] | None | Unset
        if isinstance(self.retry, Unset):
            retry = UNSET
        elif isinstance(self.retry, RetryOverride):
            retry = self.retry.to_dict()
        else:
            retry = self.retry

        tenant: None | str | Unset
        if isinstance(self.tenant, Unset):
            tenant = UNSET
        else:
            tenant = self.tenant

        unique: dict[str, Any] | None | Unset
        if isinstance(self.unique, Unset):
            unique = UNSET
        elif isinstance(self.unique, Unique):
            unique = self.unique.to_dict()
        else:
            unique = self.unique


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "kind": kind,
            "payload": payload,
        })
        if callback_url is not UNSET:
            field_dict["callback_url"] = callback_url
        if delay_ms is not UNSET:
            field_dict["delay_ms"] = delay_ms
        if due_at is not UNSET:
            field_dict["due_at"] = due_at
        if expires_at is not UNSET:
            field_dict["expires_at"] = expires_at
        if id is not UNSET:
            field_dict["id"] = id
        if lane is not UNSET:
            field_dict["lane"] = lane
        if priority is not UNSET:
            field_dict["priority"] = priority
        if queue is not UNSET:
            field_dict["queue"] = queue
        if recipient is not UNSET:
            field_dict["recipient"] = recipient
        if retry is not UNSET:
            field_dict["retry"] = retry
        if tenant is not UNSET:
            field_dict["tenant"] = tenant
        if unique is not UNSET:
            field_dict["unique"] = unique

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.retry_override import RetryOverride # noqa: PLC0415
        from ..models.unique import Unique # noqa: PLC0415
        d = dict(src_dict)
        kind = d.pop("kind")

        payload = d.pop("payload")

        def _parse_callback_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        callback_url = _parse_callback_url(d.pop("callback_url", UNSET))


        def _parse_delay_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        delay_ms = _parse_delay_ms(d.pop("delay_ms", UNSET))


        def _parse_due_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                due_at_type_0 = datetime.datetime.fromisoformat(data)



                return due_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        due_at = _parse_due_at(d.pop("due_at", UNSET))


        def _parse_expires_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                expires_at_type_0 = datetime.datetime.fromisoformat(data)



                return expires_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        expires_at = _parse_expires_at(d.pop("expires_at", UNSET))


        def _parse_id(data: object) -> None | Unset | UUID:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                id_type_0 = UUID(data)



                return id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | UUID, data)

        id = _parse_id(d.pop("id", UNSET))


        def _parse_lane(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        lane = _parse_lane(d.pop("lane", UNSET))


        def _parse_priority(data: object) -> None | Priority | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                priority_type_0 = Priority(data)



                return priority_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Priority | Unset, data)

        priority = _parse_priority(d.pop("priority", UNSET))


        def _parse_queue(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        queue = _parse_queue(d.pop("queue", UNSET))


        def _parse_recipient(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        recipient = _parse_recipient(d.pop("recipient", UNSET))


        def _parse_retry(data: object) -> None | RetryOverride | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                retry_type_0 = RetryOverride.from_dict(data)



                return retry_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | RetryOverride | Unset, data)

        retry = _parse_retry(d.pop("retry", UNSET))


        def _parse_tenant(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        tenant = _parse_tenant(d.pop("tenant", UNSET))


        def _parse_unique(data: object) -> None | Unique | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                unique_type_0 = Unique.from_dict(data)



                return unique_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unique | Unset, data)

        unique = _parse_unique(d.pop("unique", UNSET))


        new_task = cls(
            kind=kind,
            payload=payload,
            callback_url=callback_url,
            delay_ms=delay_ms,
            due_at=due_at,
            expires_at=expires_at,
            id=id,
            lane=lane,
            priority=priority,
            queue=queue,
            recipient=recipient,
            retry=retry,
            tenant=tenant,
            unique=unique,
        )

        return new_task

