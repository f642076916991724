from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.external_class import ExternalClass
from ..types import UNSET, Unset
from typing import cast






T = TypeVar("T", bound="FailRequest")



@_attrs_define
class FailRequest:
    """ What is said.

        Example:
            {'lease_token': '00000000000000070000000000000001', 'message': 'the printer is out of paper'}

        Attributes:
            lease_token (str): The `Posthaste-Lease-Token` that came with the task.
            class_ (ExternalClass | None | Unset):
            message (None | str | Unset): What happened, for people.
     """

    lease_token: str
    class_: ExternalClass | None | Unset = UNSET
    message: None | str | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        lease_token = self.lease_token

        class_: None | str | Unset
        if isinstance(self.class_, Unset):
            class_ = UNSET
        elif isinstance(self.class_, ExternalClass):
            class_ = self.class_.value
        else:
            class_ = self.class_

        message: None | str | Unset
        if isinstance(self.message, Unset):
            message = UNSET
        else:
            message = self.message


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "lease_token": lease_token,
        })
        if class_ is not UNSET:
            field_dict["class"] = class_
        if message is not UNSET:
            field_dict["message"] = message

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        lease_token = d.pop("lease_token")

        def _parse_class_(data: object) -> ExternalClass | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                class_type_0 = ExternalClass(data)



                return class_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ExternalClass | None | Unset, data)

        class_ = _parse_class_(d.pop("class", UNSET))


        def _parse_message(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        message = _parse_message(d.pop("message", UNSET))


        fail_request = cls(
            lease_token=lease_token,
            class_=class_,
            message=message,
        )

        return fail_request

