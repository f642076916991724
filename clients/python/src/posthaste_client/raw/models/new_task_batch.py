from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.batch_mode import BatchMode
from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.new_task import NewTask





T = TypeVar("T", bound="NewTaskBatch")



@_attrs_define
class NewTaskBatch:
    """ Several tasks.

        Example:
            {'callback_url': 'https://example.com/reports-done', 'tasks': [{'kind': 'report.build', 'payload': {'month':
                '2026-01'}}, {'kind': 'report.build', 'payload': {'month': '2026-02'}}]}

        Attributes:
            tasks (list[NewTask]): The tasks.
            callback_url (None | str | Unset): Told by a signed POST when all of them are final.
            mode (BatchMode | None | Unset):
     """

    tasks: list[NewTask]
    callback_url: None | str | Unset = UNSET
    mode: BatchMode | None | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        from ..models.new_task import NewTask # noqa: PLC0415
        tasks = []
        for tasks_item_data in self.tasks:
            tasks_item = tasks_item_data.to_dict()
            tasks.append(tasks_item)



        callback_url: None | str | Unset
        if isinstance(self.callback_url, Unset):
            callback_url = UNSET
        else:
            callback_url = self.callback_url

        mode: None | str | Unset
        if isinstance(self.mode, Unset):
            mode = UNSET
        elif isinstance(self.mode, BatchMode):
            mode = self.mode.value
        else:
            mode = self.mode


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "tasks": tasks,
        })
        if callback_url is not UNSET:
            field_dict["callback_url"] = callback_url
        if mode is not UNSET:
            field_dict["mode"] = mode

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.new_task import NewTask # noqa: PLC0415
        d = dict(src_dict)
        tasks = []
        _tasks = d.pop("tasks")
        for tasks_item_data in (_tasks):
            tasks_item = NewTask.from_dict(tasks_item_data)



            tasks.append(tasks_item)


        def _parse_callback_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        callback_url = _parse_callback_url(d.pop("callback_url", UNSET))


        def _parse_mode(data: object) -> BatchMode | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                mode_type_0 = BatchMode(data)



                return mode_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(BatchMode | None | Unset, data)

        mode = _parse_mode(d.pop("mode", UNSET))


        new_task_batch = cls(
            tasks=tasks,
            callback_url=callback_url,
            mode=mode,
        )

        return new_task_batch

