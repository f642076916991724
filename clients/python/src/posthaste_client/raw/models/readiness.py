from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset






T = TypeVar("T", bound="Readiness")



@_attrs_define
class Readiness:
    """ Whether the store answers and takes writes now.

        Example:
            {'latency_us': 85, 'status': 'ready', 'store': 'sqlite'}

        Attributes:
            latency_us (int): How long it took to answer, in microseconds.
            status (str): `ready` or `unavailable`.
            store (str): What the store is.
            problem (str | Unset): Why it is not ready.
     """

    latency_us: int
    status: str
    store: str
    problem: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        latency_us = self.latency_us

        status = self.status

        store = self.store

        problem = self.problem


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "latency_us": latency_us,
            "status": status,
            "store": store,
        })
        if problem is not UNSET:
            field_dict["problem"] = problem

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        latency_us = d.pop("latency_us")

        status = d.pop("status")

        store = d.pop("store")

        problem = d.pop("problem", UNSET)

        readiness = cls(
            latency_us=latency_us,
            status=status,
            store=store,
            problem=problem,
        )


        readiness.additional_properties = d
        return readiness

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
