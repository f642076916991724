from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast






T = TypeVar("T", bound="Unique")



@_attrs_define
class Unique:
    """ A unique key.

        Attributes:
            key (str): The key: printable ASCII characters.
            hold_ms (int | None | Unset): How long it is held, in milliseconds; until the task is final if left out.
     """

    key: str
    hold_ms: int | None | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        key = self.key

        hold_ms: int | None | Unset
        if isinstance(self.hold_ms, Unset):
            hold_ms = UNSET
        else:
            hold_ms = self.hold_ms


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "key": key,
        })
        if hold_ms is not UNSET:
            field_dict["hold_ms"] = hold_ms

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        key = d.pop("key")

        def _parse_hold_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        hold_ms = _parse_hold_ms(d.pop("hold_ms", UNSET))


        unique = cls(
            key=key,
            hold_ms=hold_ms,
        )

        return unique

