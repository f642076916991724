from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.suppression_source import SuppressionSource
from ..types import UNSET, Unset
from typing import cast
from uuid import UUID
import datetime






T = TypeVar("T", bound="Suppression")



@_attrs_define
class Suppression:
    """ A recipient that is not written to.

        Example:
            {'channel': 'email', 'code': '550 5.1.1', 'created_at': '2026-01-31T09:30:00.000Z', 'reason': 'The server said
                550 5.1.1 no such user', 'recipient': 'ann@example.com', 'source': 'bounce'}

        Attributes:
            channel (str): The channel.
            created_at (datetime.datetime): A time, RFC 3339 in UTC.
            reason (str): What was said about it.
            recipient (str): The recipient, as it is to be named in the path.
            source (SuppressionSource): Where a suppression comes from.
            category (str | Unset): The category of messages, if not all of them.
            code (str | Unset): A provider's answer code.
            task (UUID | Unset): A UUID.
            tenant (str | Unset): The tenant whose messages alone it is about.
     """

    channel: str
    created_at: datetime.datetime
    reason: str
    recipient: str
    source: SuppressionSource
    category: str | Unset = UNSET
    code: str | Unset = UNSET
    task: UUID | Unset = UNSET
    tenant: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        channel = self.channel

        created_at = self.created_at.isoformat()

        reason = self.reason

        recipient = self.recipient

        source = self.source.value

        category = self.category

        code = self.code

        task: str | Unset = UNSET
        if not isinstance(self.task, Unset):
            task = str(self.task)

        tenant = self.tenant


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "channel": channel,
            "created_at": created_at,
            "reason": reason,
            "recipient": recipient,
            "source": source,
        })
        if category is not UNSET:
            field_dict["category"] = category
        if code is not UNSET:
            field_dict["code"] = code
        if task is not UNSET:
            field_dict["task"] = task
        if tenant is not UNSET:
            field_dict["tenant"] = tenant

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        channel = d.pop("channel")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))




        reason = d.pop("reason")

        recipient = d.pop("recipient")

        source = SuppressionSource(d.pop("source"))




        category = d.pop("category", UNSET)

        code = d.pop("code", UNSET)

        _task = d.pop("task", UNSET)
        task: UUID | Unset
        if isinstance(_task,  Unset):
            task = UNSET
        else:
            task = UUID(_task)




        tenant = d.pop("tenant", UNSET)

        suppression = cls(
            channel=channel,
            created_at=created_at,
            reason=reason,
            recipient=recipient,
            source=source,
            category=category,
            code=code,
            task=task,
            tenant=tenant,
        )


        suppression.additional_properties = d
        return suppression

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
