from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.attempt_outcome import AttemptOutcome
from ..models.failure_class import FailureClass
from ..types import UNSET, Unset
from typing import cast
import datetime






T = TypeVar("T", bound="Attempt")



@_attrs_define
class Attempt:
    """ One attempt of a task.

        Example:
            {'attempt': 1, 'counted': False, 'ended_at': '2026-01-31T09:30:00.480Z', 'generation': 1, 'outcome':
                'succeeded', 'started_at': '2026-01-31T09:30:00.120Z', 'worker': 'mail-1:4711:a3'}

        Attributes:
            attempt (int): Which attempt of it, from 1.
            counted (bool): Whether it counted against `max_failures`.
            generation (int): Which generation, from 1; a retry by a person starts a new one.
            outcome (AttemptOutcome): How an attempt ended.
            started_at (datetime.datetime): A time, RFC 3339 in UTC.
            worker (str): By whom.
            class_ (FailureClass | Unset): What kind of failure an attempt ended in.
            code (str | Unset): The other side's answer code, for example `550 5.1.1`.
            ended_at (datetime.datetime | Unset): A time, RFC 3339 in UTC.
            message (str | Unset): A sentence about its failure.
     """

    attempt: int
    counted: bool
    generation: int
    outcome: AttemptOutcome
    started_at: datetime.datetime
    worker: str
    class_: FailureClass | Unset = UNSET
    code: str | Unset = UNSET
    ended_at: datetime.datetime | Unset = UNSET
    message: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        attempt = self.attempt

        counted = self.counted

        generation = self.generation

        outcome = self.outcome.value

        started_at = self.started_at.isoformat()

        worker = self.worker

        class_: str | Unset = UNSET
        if not isinstance(self.class_, Unset):
            class_ = self.class_.value


        code = self.code

        ended_at: str | Unset = UNSET
        if not isinstance(self.ended_at, Unset):
            ended_at = self.ended_at.isoformat()

        message = self.message


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "attempt": attempt,
            "counted": counted,
            "generation": generation,
            "outcome": outcome,
            "started_at": started_at,
            "worker": worker,
        })
        if class_ is not UNSET:
            field_dict["class"] = class_
        if code is not UNSET:
            field_dict["code"] = code
        if ended_at is not UNSET:
            field_dict["ended_at"] = ended_at
        if message is not UNSET:
            field_dict["message"] = message

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        attempt = d.pop("attempt")

        counted = d.pop("counted")

        generation = d.pop("generation")

        outcome = AttemptOutcome(d.pop("outcome"))




        started_at = datetime.datetime.fromisoformat(d.pop("started_at"))




        worker = d.pop("worker")

        _class_ = d.pop("class", UNSET)
        class_: FailureClass | Unset
        if isinstance(_class_,  Unset):
            class_ = UNSET
        else:
            class_ = FailureClass(_class_)




        code = d.pop("code", UNSET)

        _ended_at = d.pop("ended_at", UNSET)
        ended_at: datetime.datetime | Unset
        if isinstance(_ended_at,  Unset):
            ended_at = UNSET
        else:
            ended_at = datetime.datetime.fromisoformat(_ended_at)




        message = d.pop("message", UNSET)

        attempt = cls(
            attempt=attempt,
            counted=counted,
            generation=generation,
            outcome=outcome,
            started_at=started_at,
            worker=worker,
            class_=class_,
            code=code,
            ended_at=ended_at,
            message=message,
        )


        attempt.additional_properties = d
        return attempt

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
