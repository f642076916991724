from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.state import State
from uuid import UUID






T = TypeVar("T", bound="BatchItem")



@_attrs_define
class BatchItem:
    """ One that was stored.

        Attributes:
            duplicate (bool): Whether another one holds its unique key, or an earlier one of `to` is the same recipient:
                nothing was stored.
            id (UUID): A UUID.
            index (int): Its place in the request.
            state (State): Where a task is in its life.
     """

    duplicate: bool
    id: UUID
    index: int
    state: State
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        duplicate = self.duplicate

        id = str(self.id)

        index = self.index

        state = self.state.value


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "duplicate": duplicate,
            "id": id,
            "index": index,
            "state": state,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        duplicate = d.pop("duplicate")

        id = UUID(d.pop("id"))




        index = d.pop("index")

        state = State(d.pop("state"))




        batch_item = cls(
            duplicate=duplicate,
            id=id,
            index=index,
            state=state,
        )


        batch_item.additional_properties = d
        return batch_item

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
