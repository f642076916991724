from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast






T = TypeVar("T", bound="Rotation")



@_attrs_define
class Rotation:
    """ How the secret is replaced.

        Example:
            {'overlap_ms': 86400000}

        Attributes:
            overlap_ms (int | None | Unset): How long the old secret signs beside the new one, in milliseconds; a day if
                left out.
            secret (None | str | Unset): The new secret; made if left out.
     """

    overlap_ms: int | None | Unset = UNSET
    secret: None | str | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        overlap_ms: int | None | Unset
        if isinstance(self.overlap_ms, Unset):
            overlap_ms = UNSET
        else:
            overlap_ms = self.overlap_ms

        secret: None | str | Unset
        if isinstance(self.secret, Unset):
            secret = UNSET
        else:
            secret = self.secret


        field_dict: dict[str, Any] = {}

        field_dict.update({
        })
        if overlap_ms is not UNSET:
            field_dict["overlap_ms"] = overlap_ms
        if secret is not UNSET:
            field_dict["secret"] = secret

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        def _parse_overlap_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        overlap_ms = _parse_overlap_ms(d.pop("overlap_ms", UNSET))


        def _parse_secret(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        secret = _parse_secret(d.pop("secret", UNSET))


        rotation = cls(
            overlap_ms=overlap_ms,
            secret=secret,
        )

        return rotation

