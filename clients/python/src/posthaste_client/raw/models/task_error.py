from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.end_reason import EndReason
from ..models.failure_class import FailureClass
from ..types import UNSET, Unset






T = TypeVar("T", bound="TaskError")



@_attrs_define
class TaskError:
    """ Why the last try or the task as a whole did not succeed.

        Example:
            {'class': 'permanent', 'code': '550 5.7.1', 'message': 'The server said 550 5.7.1 relaying denied', 'reason':
                'permanent'}

        Attributes:
            message (str): A sentence for people.
            class_ (FailureClass | Unset): What kind of failure an attempt ended in.
            code (str | Unset): The other side's answer code, for example `550 5.1.1`.
            reason (EndReason | Unset): Why a task is final without success.
     """

    message: str
    class_: FailureClass | Unset = UNSET
    code: str | Unset = UNSET
    reason: EndReason | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        message = self.message

        class_: str | Unset = UNSET
        if not isinstance(self.class_, Unset):
            class_ = self.class_.value


        code = self.code

        reason: str | Unset = UNSET
        if not isinstance(self.reason, Unset):
            reason = self.reason.value



        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "message": message,
        })
        if class_ is not UNSET:
            field_dict["class"] = class_
        if code is not UNSET:
            field_dict["code"] = code
        if reason is not UNSET:
            field_dict["reason"] = reason

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        message = d.pop("message")

        _class_ = d.pop("class", UNSET)
        class_: FailureClass | Unset
        if isinstance(_class_,  Unset):
            class_ = UNSET
        else:
            class_ = FailureClass(_class_)




        code = d.pop("code", UNSET)

        _reason = d.pop("reason", UNSET)
        reason: EndReason | Unset
        if isinstance(_reason,  Unset):
            reason = UNSET
        else:
            reason = EndReason(_reason)




        task_error = cls(
            message=message,
            class_=class_,
            code=code,
            reason=reason,
        )


        task_error.additional_properties = d
        return task_error

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
