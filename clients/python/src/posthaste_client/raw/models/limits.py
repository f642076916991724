from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast






T = TypeVar("T", bound="Limits")



@_attrs_define
class Limits:
    """ Limits over all workers; what is left out is unlimited.

        Example:
            {'concurrency': 20, 'per_ms': 1000, 'rate': 100}

        Attributes:
            concurrency (int | None | Unset): At most this many run at once.
            per_ms (int | None | Unset): The period of `rate` in milliseconds; a second if left out.
            rate (int | None | Unset): At most this many start per `per_ms`.
     """

    concurrency: int | None | Unset = UNSET
    per_ms: int | None | Unset = UNSET
    rate: int | None | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        concurrency: int | None | Unset
        if isinstance(self.concurrency, Unset):
            concurrency = UNSET
        else:
            concurrency = self.concurrency

        per_ms: int | None | Unset
        if isinstance(self.per_ms, Unset):
            per_ms = UNSET
        else:
            per_ms = self.per_ms

        rate: int | None | Unset
        if isinstance(self.rate, Unset):
            rate = UNSET
        else:
            rate = self.rate


        field_dict: dict[str, Any] = {}

        field_dict.update({
        })
        if concurrency is not UNSET:
            field_dict["concurrency"] = concurrency
        if per_ms is not UNSET:
            field_dict["per_ms"] = per_ms
        if rate is not UNSET:
            field_dict["rate"] = rate

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        def _parse_concurrency(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        concurrency = _parse_concurrency(d.pop("concurrency", UNSET))


        def _parse_per_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        per_ms = _parse_per_ms(d.pop("per_ms", UNSET))


        def _parse_rate(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        rate = _parse_rate(d.pop("rate", UNSET))


        limits = cls(
            concurrency=concurrency,
            per_ms=per_ms,
            rate=rate,
        )

        return limits

