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
  from ..models.task import Task





T = TypeVar("T", bound="TaskPage")



@_attrs_define
class TaskPage:
    """ A page of a list of tasks, newest first.

        Example:
            {'data': [{'attempt': 1, 'cancel_requested': False, 'created_at': '2026-01-31T09:30:00.000Z', 'due_at':
                '2026-01-31T09:30:00.000Z', 'failures': 0, 'finished_at': '2026-01-31T09:30:00.480Z', 'generation': 1, 'id':
                '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58', 'kind': 'notify', 'lane': 'email:default', 'priority': 'normal',
                'queue': 'default', 'retry': {'backoff': {'delays_ms': [30000, 120000, 600000], 'type': 'listed'}, 'max_age_ms':
                259200000, 'max_failures': 8, 'on_ambiguous': 'retry', 'timeout_ms': 660000}, 'started_at':
                '2026-01-31T09:30:00.120Z', 'state': 'succeeded'}], 'next_cursor': 'AZnzoHwecqUtnQ4'}

        Attributes:
            data (list[Task]): The tasks, without payloads, results and logs.
            next_cursor (str | Unset): Send it as `cursor` to go on; left out at the end.
            searched_until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
     """

    data: list[Task]
    next_cursor: str | Unset = UNSET
    searched_until: datetime.datetime | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.task import Task # noqa: PLC0415
        data = []
        for data_item_data in self.data:
            data_item = data_item_data.to_dict()
            data.append(data_item)



        next_cursor = self.next_cursor

        searched_until: str | Unset = UNSET
        if not isinstance(self.searched_until, Unset):
            searched_until = self.searched_until.isoformat()


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "data": data,
        })
        if next_cursor is not UNSET:
            field_dict["next_cursor"] = next_cursor
        if searched_until is not UNSET:
            field_dict["searched_until"] = searched_until

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.task import Task # noqa: PLC0415
        d = dict(src_dict)
        data = []
        _data = d.pop("data")
        for data_item_data in (_data):
            data_item = Task.from_dict(data_item_data)



            data.append(data_item)


        next_cursor = d.pop("next_cursor", UNSET)

        _searched_until = d.pop("searched_until", UNSET)
        searched_until: datetime.datetime | Unset
        if isinstance(_searched_until,  Unset):
            searched_until = UNSET
        else:
            searched_until = datetime.datetime.fromisoformat(_searched_until)




        task_page = cls(
            data=data,
            next_cursor=next_cursor,
            searched_until=searched_until,
        )


        task_page.additional_properties = d
        return task_page

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
