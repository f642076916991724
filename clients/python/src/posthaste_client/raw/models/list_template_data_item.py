from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast
import datetime






T = TypeVar("T", bound="ListTemplateDataItem")



@_attrs_define
class ListTemplateDataItem:
    """ A template.

        Example:
            {'created_at': '2026-01-31T09:30:00.000Z', 'html': '<p>Hello {{ name }}!</p>', 'name': 'welcome', 'sample':
                {'name': 'Ann'}, 'subject': 'Welcome, {{ name }}', 'text': 'Hello {{ name }}!', 'version': 3}

        Attributes:
            created_at (datetime.datetime): A time, RFC 3339 in UTC.
            name (str): Its name.
            version (int): Its version, from 1.
            description (str | Unset): What it is for.
            html (str | Unset): The HTML of an e-mail.
            sample (Any | Unset): Data for a preview.
            subject (str | Unset): The subject or title.
            text (str | Unset): The text.
     """

    created_at: datetime.datetime
    name: str
    version: int
    description: str | Unset = UNSET
    html: str | Unset = UNSET
    sample: Any | Unset = UNSET
    subject: str | Unset = UNSET
    text: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        created_at = self.created_at.isoformat()

        name = self.name

        version = self.version

        description = self.description

        html = self.html

        sample = self.sample

        subject = self.subject

        text = self.text


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "created_at": created_at,
            "name": name,
            "version": version,
        })
        if description is not UNSET:
            field_dict["description"] = description
        if html is not UNSET:
            field_dict["html"] = html
        if sample is not UNSET:
            field_dict["sample"] = sample
        if subject is not UNSET:
            field_dict["subject"] = subject
        if text is not UNSET:
            field_dict["text"] = text

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))




        name = d.pop("name")

        version = d.pop("version")

        description = d.pop("description", UNSET)

        html = d.pop("html", UNSET)

        sample = d.pop("sample", UNSET)

        subject = d.pop("subject", UNSET)

        text = d.pop("text", UNSET)

        list_template_data_item = cls(
            created_at=created_at,
            name=name,
            version=version,
            description=description,
            html=html,
            sample=sample,
            subject=subject,
            text=text,
        )


        list_template_data_item.additional_properties = d
        return list_template_data_item

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
