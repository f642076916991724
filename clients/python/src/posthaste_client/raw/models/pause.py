from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.pause_reason import PauseReason
from ..types import UNSET, Unset
from typing import cast
import datetime






T = TypeVar("T", bound="Pause")



@_attrs_define
class Pause:
    """ A pause in force.

        Example:
            {'message': 'A deployment is under way.', 'reason': 'manual', 'since': '2026-01-31T09:30:00.000Z'}

        Attributes:
            reason (PauseReason): Why something is paused.
            since (datetime.datetime): A time, RFC 3339 in UTC.
            message (str | Unset): What caused it.
            until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
     """

    reason: PauseReason
    since: datetime.datetime
    message: str | Unset = UNSET
    until: datetime.datetime | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        reason = self.reason.value

        since = self.since.isoformat()

        message = self.message

        until: str | Unset = UNSET
        if not isinstance(self.until, Unset):
            until = self.until.isoformat()


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "reason": reason,
            "since": since,
        })
        if message is not UNSET:
            field_dict["message"] = message
        if until is not UNSET:
            field_dict["until"] = until

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        reason = PauseReason(d.pop("reason"))




        since = datetime.datetime.fromisoformat(d.pop("since"))




        message = d.pop("message", UNSET)

        _until = d.pop("until", UNSET)
        until: datetime.datetime | Unset
        if isinstance(_until,  Unset):
            until = UNSET
        else:
            until = datetime.datetime.fromisoformat(_until)




        pause = cls(
            reason=reason,
            since=since,
            message=message,
            until=until,
        )


        pause.additional_properties = d
        return pause

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
