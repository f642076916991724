from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.backoff_type_0_type import BackoffType0Type






T = TypeVar("T", bound="BackoffType0")



@_attrs_define
class BackoffType0:
    """ `base_ms × 2ⁿ`, at most `cap_ms`, then drawn evenly from zero to that.

        Attributes:
            base_ms (int): Bound of the first delay, in milliseconds.
            cap_ms (int): Largest bound, in milliseconds.
            type_ (BackoffType0Type):
     """

    base_ms: int
    cap_ms: int
    type_: BackoffType0Type
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        base_ms = self.base_ms

        cap_ms = self.cap_ms

        type_ = self.type_.value


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "base_ms": base_ms,
            "cap_ms": cap_ms,
            "type": type_,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        base_ms = d.pop("base_ms")

        cap_ms = d.pop("cap_ms")

        type_ = BackoffType0Type(d.pop("type"))




        backoff_type_0 = cls(
            base_ms=base_ms,
            cap_ms=cap_ms,
            type_=type_,
        )


        backoff_type_0.additional_properties = d
        return backoff_type_0

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
