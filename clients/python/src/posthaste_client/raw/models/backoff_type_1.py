from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.backoff_type_1_type import BackoffType1Type
from typing import cast






T = TypeVar("T", bound="BackoffType1")



@_attrs_define
class BackoffType1:
    """ These delays in order; the last one repeats.

        Attributes:
            delays_ms (list[int]): Delays in milliseconds.
            type_ (BackoffType1Type):
     """

    delays_ms: list[int]
    type_: BackoffType1Type
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        delays_ms = self.delays_ms



        type_ = self.type_.value


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "delays_ms": delays_ms,
            "type": type_,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        delays_ms = cast(list[int], d.pop("delays_ms"))


        type_ = BackoffType1Type(d.pop("type"))




        backoff_type_1 = cls(
            delays_ms=delays_ms,
            type_=type_,
        )


        backoff_type_1.additional_properties = d
        return backoff_type_1

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
