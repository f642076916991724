from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.state import State
from uuid import UUID






T = TypeVar("T", bound="Retried")



@_attrs_define
class Retried:
    """ What a retry answers.

        Example:
            {'generation': 2, 'id': '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58', 'state': 'queued'}

        Attributes:
            generation (int): Its new generation.
            id (UUID): A UUID.
            state (State): Where a task is in its life.
     """

    generation: int
    id: UUID
    state: State
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        generation = self.generation

        id = str(self.id)

        state = self.state.value


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "generation": generation,
            "id": id,
            "state": state,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        generation = d.pop("generation")

        id = UUID(d.pop("id"))




        state = State(d.pop("state"))




        retried = cls(
            generation=generation,
            id=id,
            state=state,
        )


        retried.additional_properties = d
        return retried

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
