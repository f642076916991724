from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
import datetime

if TYPE_CHECKING:
  from ..models.stats_point import StatsPoint





T = TypeVar("T", bound="Stats")



@_attrs_define
class Stats:
    """ Statistics of a period.

        Example:
            {'data': [{'at': '2026-01-31T09:30:00.000Z', 'cancelled': 0, 'claimed': 121, 'enqueued': 120, 'expired': 0,
                'failed': 2, 'held': 0, 'retried': 1, 'run_p50_ms': 128, 'run_p95_ms': 512, 'succeeded': 118, 'wait_p50_ms': 4,
                'wait_p95_ms': 16}], 'from': '2026-01-31T09:30:00.000Z', 'step': 60, 'total': {'at': '2026-01-31T09:30:00.000Z',
                'cancelled': 0, 'claimed': 121, 'enqueued': 120, 'expired': 0, 'failed': 2, 'held': 0, 'retried': 1,
                'run_p50_ms': 128, 'run_p95_ms': 512, 'succeeded': 118, 'wait_p50_ms': 4, 'wait_p95_ms': 16}, 'until':
                '2026-01-31T09:31:00.000Z'}

        Attributes:
            data (list[StatsPoint]): The steps in which something happened, oldest first.
            from_ (datetime.datetime): A time, RFC 3339 in UTC.
            step (int): The length of a step in seconds.
            total (StatsPoint): One step of time. Example: {'at': '2026-01-31T09:30:00.000Z', 'cancelled': 0, 'claimed':
                121, 'enqueued': 120, 'expired': 0, 'failed': 2, 'held': 0, 'retried': 1, 'run_p50_ms': 128, 'run_p95_ms': 512,
                'succeeded': 118, 'wait_p50_ms': 4, 'wait_p95_ms': 16}.
            until (datetime.datetime): A time, RFC 3339 in UTC.
     """

    data: list[StatsPoint]
    from_: datetime.datetime
    step: int
    total: StatsPoint
    until: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.stats_point import StatsPoint # noqa: PLC0415
        data = []
        for data_item_data in self.data:
            data_item = data_item_data.to_dict()
            data.append(data_item)



        from_ = self.from_.isoformat()

        step = self.step

        total = self.total.to_dict()

        until = self.until.isoformat()


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "data": data,
            "from": from_,
            "step": step,
            "total": total,
            "until": until,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.stats_point import StatsPoint # noqa: PLC0415
        d = dict(src_dict)
        data = []
        _data = d.pop("data")
        for data_item_data in (_data):
            data_item = StatsPoint.from_dict(data_item_data)



            data.append(data_item)


        from_ = datetime.datetime.fromisoformat(d.pop("from"))




        step = d.pop("step")

        total = StatsPoint.from_dict(d.pop("total"))




        until = datetime.datetime.fromisoformat(d.pop("until"))




        stats = cls(
            data=data,
            from_=from_,
            step=step,
            total=total,
            until=until,
        )


        stats.additional_properties = d
        return stats

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
