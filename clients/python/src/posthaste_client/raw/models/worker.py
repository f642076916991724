from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
import datetime






T = TypeVar("T", bound="Worker")



@_attrs_define
class Worker:
    """ A worker process.

        Example:
            {'host': 'mail-1', 'id': 'mail-1:4711:a3', 'kinds': ['callback', 'http', 'notify'], 'pid': 4711, 'queues':
                ['default'], 'running': 3, 'seen_at': '2026-01-31T09:30:00.000Z', 'silent': False, 'slots': 64, 'started_at':
                '2026-01-31T09:00:00.000Z', 'stopping': False, 'version': '0.1.0'}

        Attributes:
            host (str): Its host.
            id (str): Its id.
            kinds (list[str]): The kinds it has handlers for.
            pid (int): Its process id.
            queues (list[str]): The queues it serves.
            running (int): How many it runs now.
            seen_at (datetime.datetime): A time, RFC 3339 in UTC.
            silent (bool): Whether it missed three heartbeats: what it held is being given to others.
            slots (int): How many tasks it runs at once.
            started_at (datetime.datetime): A time, RFC 3339 in UTC.
            stopping (bool): Whether it is stopping.
            version (str): Its version.
     """

    host: str
    id: str
    kinds: list[str]
    pid: int
    queues: list[str]
    running: int
    seen_at: datetime.datetime
    silent: bool
    slots: int
    started_at: datetime.datetime
    stopping: bool
    version: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        host = self.host

        id = self.id

        kinds = self.kinds



        pid = self.pid

        queues = self.queues



        running = self.running

        seen_at = self.seen_at.isoformat()

        silent = self.silent

        slots = self.slots

        started_at = self.started_at.isoformat()

        stopping = self.stopping

        version = self.version


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "host": host,
            "id": id,
            "kinds": kinds,
            "pid": pid,
            "queues": queues,
            "running": running,
            "seen_at": seen_at,
            "silent": silent,
            "slots": slots,
            "started_at": started_at,
            "stopping": stopping,
            "version": version,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        host = d.pop("host")

        id = d.pop("id")

        kinds = cast(list[str], d.pop("kinds"))


        pid = d.pop("pid")

        queues = cast(list[str], d.pop("queues"))


        running = d.pop("running")

        seen_at = datetime.datetime.fromisoformat(d.pop("seen_at"))




        silent = d.pop("silent")

        slots = d.pop("slots")

        started_at = datetime.datetime.fromisoformat(d.pop("started_at"))




        stopping = d.pop("stopping")

        version = d.pop("version")

        worker = cls(
            host=host,
            id=id,
            kinds=kinds,
            pid=pid,
            queues=queues,
            running=running,
            seen_at=seen_at,
            silent=silent,
            slots=slots,
            started_at=started_at,
            stopping=stopping,
            version=version,
        )


        worker.additional_properties = d
        return worker

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
