from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.bulk_word import BulkWord
from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.task_filter import TaskFilter





T = TypeVar("T", bound="BulkRequest")



@_attrs_define
class BulkRequest:
    """ A bulk action.

        Example:
            {'action': 'retry', 'dry_run': True, 'filter': {'class': 'permanent', 'state': ['failed']}}

        Attributes:
            action (BulkWord): A bulk action that is asked for.
            filter_ (TaskFilter): Which tasks: all given conditions hold, and at least one must be given.
            dry_run (bool | None | Unset): Only count what would be changed and what left alone; `false` if left out.
     """

    action: BulkWord
    filter_: TaskFilter
    dry_run: bool | None | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        from ..models.task_filter import TaskFilter # noqa: PLC0415
        action = self.action.value

        filter_ = self.filter_.to_dict()

        dry_run: bool | None | Unset
        if isinstance(self.dry_run, Unset):
            dry_run = UNSET
        else:
            dry_run = self.dry_run


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "action": action,
            "filter": filter_,
        })
        if dry_run is not UNSET:
            field_dict["dry_run"] = dry_run

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.task_filter import TaskFilter # noqa: PLC0415
        d = dict(src_dict)
        action = BulkWord(d.pop("action"))




        filter_ = TaskFilter.from_dict(d.pop("filter"))




        def _parse_dry_run(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        dry_run = _parse_dry_run(d.pop("dry_run", UNSET))


        bulk_request = cls(
            action=action,
            filter_=filter_,
            dry_run=dry_run,
        )

        return bulk_request

