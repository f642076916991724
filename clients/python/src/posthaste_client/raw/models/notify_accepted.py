from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from uuid import UUID






T = TypeVar("T", bound="NotifyAccepted")



@_attrs_define
class NotifyAccepted:
    """ The answer to an accepted notification.

        Example:
            {'message': 'Email will be sent to dev@example.com', 'task_id': '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58'}

        Attributes:
            message (str): A sentence.
            task_id (UUID): A UUID.
     """

    message: str
    task_id: UUID
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        message = self.message

        task_id = str(self.task_id)


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "message": message,
            "task_id": task_id,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        message = d.pop("message")

        task_id = UUID(d.pop("task_id"))




        notify_accepted = cls(
            message=message,
            task_id=task_id,
        )


        notify_accepted.additional_properties = d
        return notify_accepted

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
