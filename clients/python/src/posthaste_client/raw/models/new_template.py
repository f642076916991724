from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.new_template_sample_type_0 import NewTemplateSampleType0





T = TypeVar("T", bound="NewTemplate")



@_attrs_define
class NewTemplate:
    """ A template to be stored: a subject, a text, HTML, or some of them.

        Example:
            {'html': '<p>Hello {{ name }}!</p>', 'sample': {'items': ['tea', 'milk'], 'name': 'Ann'}, 'subject': 'Welcome,
                {{ name }}', 'text': 'Hello {{ name }}!\\n{% for item in items %}- {{ item }}\\n{% endfor %}'}

        Attributes:
            description (None | str | Unset): What it is for, for people.
            html (None | str | Unset): The HTML of an e-mail; data is escaped in it.
            sample (NewTemplateSampleType0 | None | Unset): Data for a preview, an object.
            subject (None | str | Unset): The subject or title; one line.
            text (None | str | Unset): The text.
     """

    description: None | str | Unset = UNSET
    html: None | str | Unset = UNSET
    sample: NewTemplateSampleType0 | None | Unset = UNSET
    subject: None | str | Unset = UNSET
    text: None | str | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        from ..models.new_template_sample_type_0 import NewTemplateSampleType0 # noqa: PLC0415
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
        elif isinstance(self.sample, NewTemplateSampleType0):
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


        field_dict: dict[str, Any] = {}

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

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.new_template_sample_type_0 import NewTemplateSampleType0 # noqa: PLC0415
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


        def _parse_sample(data: object) -> NewTemplateSampleType0 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                sample_type_0 = NewTemplateSampleType0.from_dict(data)



                return sample_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(NewTemplateSampleType0 | None | Unset, data)

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


        new_template = cls(
            description=description,
            html=html,
            sample=sample,
            subject=subject,
            text=text,
        )

        return new_template

