from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID

if TYPE_CHECKING:
  from ..models.batch_item import BatchItem
  from ..models.batch_item_error import BatchItemError





T = TypeVar("T", bound="BatchAccepted")



@_attrs_define
class BatchAccepted:
    """ What became of each.

        Example:
            {'batch_id': '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a59', 'data': [{'duplicate': False, 'id':
                '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58', 'index': 0, 'state': 'queued'}], 'errors': [{'errors': [{'loc': ['body',
                'notifications', 1, 'to'], 'msg': 'Field required', 'type': 'missing'}], 'index': 1}]}

        Attributes:
            batch_id (UUID): A UUID.
            data (list[BatchItem]): Those that were stored, in order.
            errors (list[BatchItemError]): Those that were not, in permissive mode.
     """

    batch_id: UUID
    data: list[BatchItem]
    errors: list[BatchItemError]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.batch_item import BatchItem # noqa: PLC0415
        from ..models.batch_item_error import BatchItemError # noqa: PLC0415
        batch_id = str(self.batch_id)

        data = []
        for data_item_data in self.data:
            data_item = data_item_data.to_dict()
            data.append(data_item)



        errors = []
        for errors_item_data in self.errors:
            errors_item = errors_item_data.to_dict()
            errors.append(errors_item)




        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "batch_id": batch_id,
            "data": data,
            "errors": errors,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.batch_item import BatchItem # noqa: PLC0415
        from ..models.batch_item_error import BatchItemError # noqa: PLC0415
        d = dict(src_dict)
        batch_id = UUID(d.pop("batch_id"))




        data = []
        _data = d.pop("data")
        for data_item_data in (_data):
            data_item = BatchItem.from_dict(data_item_data)



            data.append(data_item)


        errors = []
        _errors = d.pop("errors")
        for errors_item_data in (_errors):
            errors_item = BatchItemError.from_dict(errors_item_data)



            errors.append(errors_item)


        batch_accepted = cls(
            batch_id=batch_id,
            data=data,
            errors=errors,
        )


        batch_accepted.additional_properties = d
        return batch_accepted

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
