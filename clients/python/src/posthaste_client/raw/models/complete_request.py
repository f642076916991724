from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset






T = TypeVar("T", bound="CompleteRequest")



@_attrs_define
class CompleteRequest:
    """ What is said.

        Example:
            {'lease_token': '00000000000000070000000000000001', 'result': {'pages': 12}}

        Attributes:
            lease_token (str): The `Posthaste-Lease-Token` that came with the task.
            result (Any | Unset): What it returned: any JSON up to 256 KiB and 64 levels deep.
     """

    lease_token: str
    result: Any | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        lease_token = self.lease_token

        result = self.result


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "lease_token": lease_token,
        })
        if result is not UNSET:
            field_dict["result"] = result

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        lease_token = d.pop("lease_token")

        result = d.pop("result", UNSET)

        complete_request = cls(
            lease_token=lease_token,
            result=result,
        )

        return complete_request

