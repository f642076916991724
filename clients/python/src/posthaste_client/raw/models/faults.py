from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast

if TYPE_CHECKING:
  from ..models.fault import Fault





T = TypeVar("T", bound="Faults")



@_attrs_define
class Faults:
    """ Faults on order, used in this order.

        Example:
            {'faults': [{'answer': '451', 'sends': 3}, {'answer': '429', 'retry_after': 10, 'sends': 1}]}

        Attributes:
            faults (list[Fault]): The faults.
     """

    faults: list[Fault]





    def to_dict(self) -> dict[str, Any]:
        from ..models.fault import Fault # noqa: PLC0415
        faults = []
        for faults_item_data in self.faults:
            faults_item = faults_item_data.to_dict()
            faults.append(faults_item)




        field_dict: dict[str, Any] = {}

        field_dict.update({
            "faults": faults,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.fault import Fault # noqa: PLC0415
        d = dict(src_dict)
        faults = []
        _faults = d.pop("faults")
        for faults_item_data in (_faults):
            faults_item = Fault.from_dict(faults_item_data)



            faults.append(faults_item)


        faults = cls(
            faults=faults,
        )

        return faults

