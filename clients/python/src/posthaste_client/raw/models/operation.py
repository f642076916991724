from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.bulk_action import BulkAction
from ..models.operation_state import OperationState
from typing import cast
from uuid import UUID
import datetime






T = TypeVar("T", bound="Operation")



@_attrs_define
class Operation:
    """ A bulk operation.

        Example:
            {'action': 'retry', 'changed': 998, 'created_at': '2026-01-31T09:30:00.000Z', 'dry_run': False, 'id':
                '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58', 'matched': 1000, 'skipped': 2, 'state': 'running', 'updated_at':
                '2026-01-31T09:30:01.000Z', 'waiting': True}

        Attributes:
            action (BulkAction): What is done to each task.
            changed (int): Those that were changed; of a dry run, those that would be.
            created_at (datetime.datetime): A time, RFC 3339 in UTC.
            dry_run (bool): Whether it only counts.
            id (UUID): A UUID.
            matched (int): Tasks that fitted so far.
            skipped (int): Those that could not be: final before a cancel, not final before a retry, running before an
                erase. A dry run does not
                see whose unique key another task holds, which a retry leaves alone.
            state (OperationState): Where an operation is.
            updated_at (datetime.datetime): A time, RFC 3339 in UTC.
            waiting (bool): Whether it waits to be resumed: nothing more is done before somebody calls `POST
                /v1/operations/{id}/resume`.
     """

    action: BulkAction
    changed: int
    created_at: datetime.datetime
    dry_run: bool
    id: UUID
    matched: int
    skipped: int
    state: OperationState
    updated_at: datetime.datetime
    waiting: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        action = self.action.value

        changed = self.changed

        created_at = self.created_at.isoformat()

        dry_run = self.dry_run

        id = str(self.id)

        matched = self.matched

        skipped = self.skipped

        state = self.state.value

        updated_at = self.updated_at.isoformat()

        waiting = self.waiting


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "action": action,
            "changed": changed,
            "created_at": created_at,
            "dry_run": dry_run,
            "id": id,
            "matched": matched,
            "skipped": skipped,
            "state": state,
            "updated_at": updated_at,
            "waiting": waiting,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        action = BulkAction(d.pop("action"))




        changed = d.pop("changed")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))




        dry_run = d.pop("dry_run")

        id = UUID(d.pop("id"))




        matched = d.pop("matched")

        skipped = d.pop("skipped")

        state = OperationState(d.pop("state"))




        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))




        waiting = d.pop("waiting")

        operation = cls(
            action=action,
            changed=changed,
            created_at=created_at,
            dry_run=dry_run,
            id=id,
            matched=matched,
            skipped=skipped,
            state=state,
            updated_at=updated_at,
            waiting=waiting,
        )


        operation.additional_properties = d
        return operation

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
