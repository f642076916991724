from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.pause import Pause
  from ..models.state_counts import StateCounts





T = TypeVar("T", bound="Queue")



@_attrs_define
class Queue:
    """ A queue and what it holds.

        Example:
            {'counts': {'cancelled': 0, 'expired': 0, 'failed': 7, 'queued': 12, 'retrying': 1, 'running': 3, 'scheduled':
                4, 'succeeded': 4821}, 'held': 0, 'paused': {'message': 'A deployment is under way.', 'reason': 'manual',
                'since': '2026-01-31T09:30:00.000Z'}, 'queue': 'default', 'workers': 2}

        Attributes:
            counts (StateCounts): Tasks by state.
            held (int): Of the succeeded: messages held by the sandbox instead of sent.
            queue (str): Its name.
            workers (int): Workers that serve it and are heard of; while there is none, its tasks wait.
            paused (Pause | Unset): A pause in force. Example: {'message': 'A deployment is under way.', 'reason': 'manual',
                'since': '2026-01-31T09:30:00.000Z'}.
     """

    counts: StateCounts
    held: int
    queue: str
    workers: int
    paused: Pause | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.pause import Pause # noqa: PLC0415
        from ..models.state_counts import StateCounts # noqa: PLC0415
        counts = self.counts.to_dict()

        held = self.held

        queue = self.queue

        workers = self.workers

        paused: dict[str, Any] | Unset = UNSET
        if not isinstance(self.paused, Unset):
            paused = self.paused.to_dict()


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "counts": counts,
            "held": held,
            "queue": queue,
            "workers": workers,
        })
        if paused is not UNSET:
            field_dict["paused"] = paused

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.pause import Pause # noqa: PLC0415
        from ..models.state_counts import StateCounts # noqa: PLC0415
        d = dict(src_dict)
        counts = StateCounts.from_dict(d.pop("counts"))




        held = d.pop("held")

        queue = d.pop("queue")

        workers = d.pop("workers")

        _paused = d.pop("paused", UNSET)
        paused: Pause | Unset
        if isinstance(_paused,  Unset):
            paused = UNSET
        else:
            paused = Pause.from_dict(_paused)




        queue = cls(
            counts=counts,
            held=held,
            queue=queue,
            workers=workers,
            paused=paused,
        )


        queue.additional_properties = d
        return queue

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
