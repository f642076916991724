from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast






T = TypeVar("T", bound="HeartbeatRequest")



@_attrs_define
class HeartbeatRequest:
    """ What is said.

        Example:
            {'lease_token': '00000000000000070000000000000001', 'within_ms': 60000}

        Attributes:
            lease_token (str): The `Posthaste-Lease-Token` that came with the task.
            within_ms (int | None | Unset): For how long, in milliseconds; a minute if left out.
     """

    lease_token: str
    within_ms: int | None | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        lease_token = self.lease_token

        within_ms: int | None | Unset
        if isinstance(self.within_ms, Unset):
            within_ms = UNSET
        else:
            within_ms = self.within_ms


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "lease_token": lease_token,
        })
        if within_ms is not UNSET:
            field_dict["within_ms"] = within_ms

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        lease_token = d.pop("lease_token")

        def _parse_within_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        within_ms = _parse_within_ms(d.pop("within_ms", UNSET))


        heartbeat_request = cls(
            lease_token=lease_token,
            within_ms=within_ms,
        )

        return heartbeat_request

