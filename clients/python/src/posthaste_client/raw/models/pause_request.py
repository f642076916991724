from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast






T = TypeVar("T", bound="PauseRequest")



@_attrs_define
class PauseRequest:
    """ How long to pause and why.

        Example:
            {'for_ms': 600000, 'message': 'A deployment is under way.'}

        Attributes:
            for_ms (int | None | Unset): How long, in milliseconds; until it is resumed if left out.
            message (None | str | Unset): Why, for people.
     """

    for_ms: int | None | Unset = UNSET
    message: None | str | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        for_ms: int | None | Unset
        if isinstance(self.for_ms, Unset):
            for_ms = UNSET
        else:
            for_ms = self.for_ms

        message: None | str | Unset
        if isinstance(self.message, Unset):
            message = UNSET
        else:
            message = self.message


        field_dict: dict[str, Any] = {}

        field_dict.update({
        })
        if for_ms is not UNSET:
            field_dict["for_ms"] = for_ms
        if message is not UNSET:
            field_dict["message"] = message

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        def _parse_for_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        for_ms = _parse_for_ms(d.pop("for_ms", UNSET))


        def _parse_message(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        message = _parse_message(d.pop("message", UNSET))


        pause_request = cls(
            for_ms=for_ms,
            message=message,
        )

        return pause_request

