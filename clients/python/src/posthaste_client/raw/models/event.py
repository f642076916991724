from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.failure_class import FailureClass
from ..models.state import State
from ..types import UNSET, Unset
from typing import cast
from uuid import UUID
import datetime






T = TypeVar("T", bound="Event")



@_attrs_define
class Event:
    """ A task changed state.

        Example:
            {'at': '2026-01-31T09:30:00.480Z', 'attempt': 1, 'generation': 1, 'id': '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58',
                'kind': 'notify', 'queue': 'default', 'state': 'succeeded'}

        Attributes:
            at (datetime.datetime): A time, RFC 3339 in UTC.
            attempt (int): Its attempt number now.
            generation (int): Its generation now.
            id (UUID): A UUID.
            kind (str): Its kind.
            queue (str): Its queue.
            state (State): Where a task is in its life.
            class_ (FailureClass | Unset): What kind of failure an attempt ended in.
            next_at (datetime.datetime | Unset): A time, RFC 3339 in UTC.
     """

    at: datetime.datetime
    attempt: int
    generation: int
    id: UUID
    kind: str
    queue: str
    state: State
    class_: FailureClass | Unset = UNSET
    next_at: datetime.datetime | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        at = self.at.isoformat()

        attempt = self.attempt

        generation = self.generation

        id = str(self.id)

        kind = self.kind

        queue = self.queue

        state = self.state.value

        class_: str | Unset = UNSET
        if not isinstance(self.class_, Unset):
            class_ = self.class_.value


        next_at: str | Unset = UNSET
        if not isinstance(self.next_at, Unset):
            next_at = self.next_at.isoformat()


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "at": at,
            "attempt": attempt,
            "generation": generation,
            "id": id,
            "kind": kind,
            "queue": queue,
            "state": state,
        })
        if class_ is not UNSET:
            field_dict["class"] = class_
        if next_at is not UNSET:
            field_dict["next_at"] = next_at

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        at = datetime.datetime.fromisoformat(d.pop("at"))




        attempt = d.pop("attempt")

        generation = d.pop("generation")

        id = UUID(d.pop("id"))




        kind = d.pop("kind")

        queue = d.pop("queue")

        state = State(d.pop("state"))




        _class_ = d.pop("class", UNSET)
        class_: FailureClass | Unset
        if isinstance(_class_,  Unset):
            class_ = UNSET
        else:
            class_ = FailureClass(_class_)




        _next_at = d.pop("next_at", UNSET)
        next_at: datetime.datetime | Unset
        if isinstance(_next_at,  Unset):
            next_at = UNSET
        else:
            next_at = datetime.datetime.fromisoformat(_next_at)




        event = cls(
            at=at,
            attempt=attempt,
            generation=generation,
            id=id,
            kind=kind,
            queue=queue,
            state=state,
            class_=class_,
            next_at=next_at,
        )


        event.additional_properties = d
        return event

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
