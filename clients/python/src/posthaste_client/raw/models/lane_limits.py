from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset






T = TypeVar("T", bound="LaneLimits")



@_attrs_define
class LaneLimits:
    """ Limits of a lane over all workers; left out means unlimited.

        Example:
            {'concurrency': 20, 'per_ms': 1000, 'rate': 100}

        Attributes:
            per_ms (int): The period of `rate` in milliseconds.
            concurrency (int | Unset): How many run at once.
            rate (int | Unset): Starts per `per_ms`.
     """

    per_ms: int
    concurrency: int | Unset = UNSET
    rate: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        per_ms = self.per_ms

        concurrency = self.concurrency

        rate = self.rate


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "per_ms": per_ms,
        })
        if concurrency is not UNSET:
            field_dict["concurrency"] = concurrency
        if rate is not UNSET:
            field_dict["rate"] = rate

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        per_ms = d.pop("per_ms")

        concurrency = d.pop("concurrency", UNSET)

        rate = d.pop("rate", UNSET)

        lane_limits = cls(
            per_ms=per_ms,
            concurrency=concurrency,
            rate=rate,
        )


        lane_limits.additional_properties = d
        return lane_limits

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
