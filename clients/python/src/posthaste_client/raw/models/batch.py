from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID
import datetime

if TYPE_CHECKING:
  from ..models.state_counts import StateCounts





T = TypeVar("T", bound="Batch")



@_attrs_define
class Batch:
    """ How far a batch is.

        Example:
            {'counts': {'cancelled': 0, 'expired': 0, 'failed': 0, 'queued': 1, 'retrying': 0, 'running': 0, 'scheduled': 0,
                'succeeded': 2}, 'created_at': '2026-01-31T09:30:00.000Z', 'finished': False, 'id':
                '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58', 'size': 3}

        Attributes:
            counts (StateCounts): Tasks by state.
            created_at (datetime.datetime): A time, RFC 3339 in UTC.
            finished (bool): Whether all of them have ended.
            id (UUID): A UUID.
            size (int): How many of its tasks are kept.
     """

    counts: StateCounts
    created_at: datetime.datetime
    finished: bool
    id: UUID
    size: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.state_counts import StateCounts # noqa: PLC0415
        counts = self.counts.to_dict()

        created_at = self.created_at.isoformat()

        finished = self.finished

        id = str(self.id)

        size = self.size


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "counts": counts,
            "created_at": created_at,
            "finished": finished,
            "id": id,
            "size": size,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.state_counts import StateCounts # noqa: PLC0415
        d = dict(src_dict)
        counts = StateCounts.from_dict(d.pop("counts"))




        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))




        finished = d.pop("finished")

        id = UUID(d.pop("id"))




        size = d.pop("size")

        batch = cls(
            counts=counts,
            created_at=created_at,
            finished=finished,
            id=id,
            size=size,
        )


        batch.additional_properties = d
        return batch

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
