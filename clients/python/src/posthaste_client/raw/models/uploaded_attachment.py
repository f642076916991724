from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID
import datetime






T = TypeVar("T", bound="UploadedAttachment")



@_attrs_define
class UploadedAttachment:
    """ An uploaded file.

        Example:
            {'content_type': 'application/pdf', 'created_at': '2026-01-31T09:30:00.000Z', 'filename': 'invoice.pdf', 'id':
                '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58', 'keep_until': '2026-02-07T09:30:00.000Z', 'sha256':
                '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'size': 48213}

        Attributes:
            content_type (str): Its content type.
            created_at (datetime.datetime): A time, RFC 3339 in UTC.
            filename (str): Its name.
            id (UUID): A UUID.
            keep_until (datetime.datetime): A time, RFC 3339 in UTC.
            sha256 (str): SHA-256 of its bytes.
            size (int): Its size in bytes.
     """

    content_type: str
    created_at: datetime.datetime
    filename: str
    id: UUID
    keep_until: datetime.datetime
    sha256: str
    size: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        content_type = self.content_type

        created_at = self.created_at.isoformat()

        filename = self.filename

        id = str(self.id)

        keep_until = self.keep_until.isoformat()

        sha256 = self.sha256

        size = self.size


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "content_type": content_type,
            "created_at": created_at,
            "filename": filename,
            "id": id,
            "keep_until": keep_until,
            "sha256": sha256,
            "size": size,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        content_type = d.pop("content_type")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))




        filename = d.pop("filename")

        id = UUID(d.pop("id"))




        keep_until = datetime.datetime.fromisoformat(d.pop("keep_until"))




        sha256 = d.pop("sha256")

        size = d.pop("size")

        uploaded_attachment = cls(
            content_type=content_type,
            created_at=created_at,
            filename=filename,
            id=id,
            keep_until=keep_until,
            sha256=sha256,
            size=size,
        )


        uploaded_attachment.additional_properties = d
        return uploaded_attachment

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
