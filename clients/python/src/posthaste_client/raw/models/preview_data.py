from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.preview_data_data_type_0 import PreviewDataDataType0





T = TypeVar("T", bound="PreviewData")



@_attrs_define
class PreviewData:
    """ The data of a preview.

        Example:
            {'data': {'name': 'Ann'}}

        Attributes:
            data (None | PreviewDataDataType0 | Unset): What it is filled in with; its sample if left out.
            version (int | None | Unset): Which version; the newest if left out.
     """

    data: None | PreviewDataDataType0 | Unset = UNSET
    version: int | None | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        from ..models.preview_data_data_type_0 import PreviewDataDataType0 # noqa: PLC0415
        data: dict[str, Any] | None | Unset
        if isinstance(self.data, Unset):
            data = UNSET
        elif isinstance(self.data, PreviewDataDataType0):
            data = self.data.to_dict()
        else:
            data = self.data

        version: int | None | Unset
        if isinstance(self.version, Unset):
            version = UNSET
        else:
            version = self.version


        field_dict: dict[str, Any] = {}

        field_dict.update({
        })
        if data is not UNSET:
            field_dict["data"] = data
        if version is not UNSET:
            field_dict["version"] = version

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.preview_data_data_type_0 import PreviewDataDataType0 # noqa: PLC0415
        d = dict(src_dict)
        def _parse_data(data: object) -> None | PreviewDataDataType0 | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                data_type_0 = PreviewDataDataType0.from_dict(data)



                return data_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | PreviewDataDataType0 | Unset, data)

        data = _parse_data(d.pop("data", UNSET))


        def _parse_version(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        version = _parse_version(d.pop("version", UNSET))


        preview_data = cls(
            data=data,
            version=version,
        )

        return preview_data

