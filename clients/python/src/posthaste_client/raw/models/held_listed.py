from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from uuid import UUID






T = TypeVar("T", bound="HeldListed")



@_attrs_define
class HeldListed:
    """ A held message in a list.

        Example:
            {'channel': 'email', 'date': '2026-01-31T09:30:00.000Z', 'from': 'Shop <shop@example.com>', 'message_id':
                '<0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58@shop.example.com>', 'reason': 'no e-mail provider is configured',
                'subject': 'Your order', 'task_id': '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58', 'text': 'It is on its way.', 'to':
                'ann@example.com'}

        Attributes:
            task_id (UUID): A UUID.
     """

    task_id: UUID
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        task_id = str(self.task_id)


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "task_id": task_id,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        task_id = UUID(d.pop("task_id"))




        held_listed = cls(
            task_id=task_id,
        )


        held_listed.additional_properties = d
        return held_listed

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
