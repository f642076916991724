from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.preview_request_data_type_0 import PreviewRequestDataType0
  from ..models.preview_request_sample_type_0 import PreviewRequestSampleType0





T = TypeVar("T", bound="PreviewRequest")



@_attrs_define
class PreviewRequest:
    """ A template that is not stored, and its data.

        Attributes:
            description (None | str | Unset): What it is for, for people.
            html (None | str | Unset): The HTML of an e-mail; data is escaped in it.
            sample (None | PreviewRequestSampleType0 | Unset): Data for a preview, an object.
            subject (None | str | Unset): The subject or title; one line.
            text (None | str | Unset): The text.
            data (None | PreviewRequestDataType0 | Unset): What it is filled in with; its sample if left out.
     """

    description: None | str | Unset = UNSET
    html: None | str | Unset = UNSET
    sample: None | PreviewRequestSampleType0 | Unset = UNSET
    subject: None | str | Unset = UNSET
    text: None | str | Unset = UNSET
    data: None | PreviewRequestDataType0 | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.preview_request_data_type_0 import PreviewRequestDataType0 # noqa: PLC0415
        from ..models.preview_request_sample_type_0 import PreviewRequestSampleType0 # noqa: PLC0415
        description: None | str | Unset
        if isinstance(self.description, Unset):
            description = UNSET
        else:
            description = self.description

        html: None | str | Unset
        if isinstance(self.html, Unset):
            html = UNSET
        else:
            html = self.html

        sample: dict[str, Any] | None | Unset
        if isinstance(self.sample, Unset):
            sample = UNSET
        elif isinstance(self.sample, PreviewRequestSampleType0):
            sample = self.sample.to_dict()
        else:
            sample = self.sample

        subject: None | str | Unset
        if isinstance(self.subject, Unset):
            subject = UNSET
        else:
            subject = self.subject

        text: None | str | Unset
        if isinstance(self.text, Unset):
            text = UNSET
        else:
            text = self.text

        data: dict[str, Any] | None | Unset
        if isinstance(self.data, Unset):
            data = UNSET
        elif isinstance(self.data, PreviewRequestDataType0):
            data = self.data.to_dict()
        else:
            data = self.data


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
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
        if data is not UNSET:
            field_dict["data"] = data

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.preview_request_data_type_0 import PreviewRequestDataType0 # noqa: PLC0415
        from ..models.preview_request_sample_type_0 import PreviewRequestSampleType0 # noqa: PLC0415
        d = dict(src_dict)
        def _parse_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        description = _parse_description(d.pop("description", UNSET))


        def _parse_html(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        html = _parse_html(d.pop("html", UNSET))


        def _parse_sample(data: object) -> None | PreviewRequestSampleType0 | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                sample_type_0 = PreviewRequestSampleType0.from_dict(data)



                return sample_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | PreviewRequestSampleType0 | Unset, data)

        sample = _parse_sample(d.pop("sample", UNSET))


        def _parse_subject(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        subject = _parse_subject(d.pop("subject", UNSET))


        def _parse_text(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        text = _parse_text(d.pop("text", UNSET))


        def _parse_data(data: object) -> None | PreviewRequestDataType0 | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                data_type_0 = PreviewRequestDataType0.from_dict(data)



                return data_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | PreviewRequestDataType0 | Unset, data)

        data = _parse_data(d.pop("data", UNSET))


        preview_request = cls(
            description=description,
            html=html,
            sample=sample,
            subject=subject,
            text=text,
            data=data,
        )


        preview_request.additional_properties = d
        return preview_request

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
