from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast
import datetime

if TYPE_CHECKING:
  from ..models.lane_limits import LaneLimits
  from ..models.pause import Pause





T = TypeVar("T", bound="Lane")



@_attrs_define
class Lane:
    """ A lane that holds work, a pause or limits.

        Example:
            {'lane': 'email:default', 'limits': {'concurrency': 20, 'per_ms': 1000, 'rate': 100}, 'queue': 'default',
                'running': 3, 'waiting': True, 'waiting_since': '2026-01-31T09:29:58.000Z'}

        Attributes:
            limits (LaneLimits): Limits of a lane over all workers; left out means unlimited. Example: {'concurrency': 20,
                'per_ms': 1000, 'rate': 100}.
            queue (str): Its queue.
            running (int): Tasks of it that run.
            waiting (bool): Whether tasks of it wait.
            lane (str | Unset): Its key; left out for the queue's default lane.
            paused (Pause | Unset): A pause in force. Example: {'message': 'A deployment is under way.', 'reason': 'manual',
                'since': '2026-01-31T09:30:00.000Z'}.
            waiting_since (datetime.datetime | Unset): A time, RFC 3339 in UTC.
     """

    limits: LaneLimits
    queue: str
    running: int
    waiting: bool
    lane: str | Unset = UNSET
    paused: Pause | Unset = UNSET
    waiting_since: datetime.datetime | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.lane_limits import LaneLimits # noqa: PLC0415
        from ..models.pause import Pause # noqa: PLC0415
        limits = self.limits.to_dict()

        queue = self.queue

        running = self.running

        waiting = self.waiting

        lane = self.lane

        paused: dict[str, Any] | Unset = UNSET
        if not isinstance(self.paused, Unset):
            paused = self.paused.to_dict()

        waiting_since: str | Unset = UNSET
        if not isinstance(self.waiting_since, Unset):
            waiting_since = self.waiting_since.isoformat()


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "limits": limits,
            "queue": queue,
            "running": running,
            "waiting": waiting,
        })
        if lane is not UNSET:
            field_dict["lane"] = lane
        if paused is not UNSET:
            field_dict["paused"] = paused
        if waiting_since is not UNSET:
            field_dict["waiting_since"] = waiting_since

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.lane_limits import LaneLimits # noqa: PLC0415
        from ..models.pause import Pause # noqa: PLC0415
        d = dict(src_dict)
        limits = LaneLimits.from_dict(d.pop("limits"))




        queue = d.pop("queue")

        running = d.pop("running")

        waiting = d.pop("waiting")

        lane = d.pop("lane", UNSET)

        _paused = d.pop("paused", UNSET)
        paused: Pause | Unset
        if isinstance(_paused,  Unset):
            paused = UNSET
        else:
            paused = Pause.from_dict(_paused)




        _waiting_since = d.pop("waiting_since", UNSET)
        waiting_since: datetime.datetime | Unset
        if isinstance(_waiting_since,  Unset):
            waiting_since = UNSET
        else:
            waiting_since = datetime.datetime.fromisoformat(_waiting_since)




        lane = cls(
            limits=limits,
            queue=queue,
            running=running,
            waiting=waiting,
            lane=lane,
            paused=paused,
            waiting_since=waiting_since,
        )


        lane.additional_properties = d
        return lane

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
