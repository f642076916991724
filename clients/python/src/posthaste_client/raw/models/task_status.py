from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.task_status_word import TaskStatusWord
from ..types import UNSET, Unset
from uuid import UUID






T = TypeVar("T", bound="TaskStatus")



@_attrs_define
class TaskStatus:
    """ What became of a task.

        Example:
            {'result': 'Notification sent to dev@example.com', 'status': 'completed', 'task_id':
                '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58'}

        Attributes:
            status (TaskStatusWord): Where a task is, in the words of the old wire.
            task_id (UUID): A UUID.
            error (str | Unset): Why it failed, once it has.
            result (str | Unset): What it did, once it is completed.
     """

    status: TaskStatusWord
    task_id: UUID
    error: str | Unset = UNSET
    result: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        status = self.status.value

        task_id = str(self.task_id)

        error = self.error

        result = self.result


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "status": status,
            "task_id": task_id,
        })
        if error is not UNSET:
            field_dict["error"] = error
        if result is not UNSET:
            field_dict["result"] = result

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        status = TaskStatusWord(d.pop("status"))




        task_id = UUID(d.pop("task_id"))




        error = d.pop("error", UNSET)

        result = d.pop("result", UNSET)

        task_status = cls(
            status=status,
            task_id=task_id,
            error=error,
            result=result,
        )


        task_status.additional_properties = d
        return task_status

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
