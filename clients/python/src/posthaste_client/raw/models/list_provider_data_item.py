from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.channel import Channel
from ..models.provider_state import ProviderState
from ..types import UNSET, Unset
from typing import cast
import datetime






T = TypeVar("T", bound="ListProviderDataItem")



@_attrs_define
class ListProviderDataItem:
    """ A provider.

        Example:
            {'channel': 'email', 'lane': 'email:default', 'message': 'The provider answered 429', 'name': 'default',
                'running': 0, 'state': 'throttled', 'type': 'smtp', 'until': '2026-01-31T09:31:00.000Z', 'waiting': True}

        Attributes:
            channel (Channel): A way to deliver a message.
            lane (str): Its lane.
            name (str): Its name: the `provider` of notifications.
            running (int): Messages under way.
            state (ProviderState): How a provider is.
            type_ (str): What it is.
            waiting (bool): Whether messages wait for it.
            message (str | Unset): What it said.
            until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
     """

    channel: Channel
    lane: str
    name: str
    running: int
    state: ProviderState
    type_: str
    waiting: bool
    message: str | Unset = UNSET
    until: datetime.datetime | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        channel = self.channel.value

        lane = self.lane

        name = self.name

        running = self.running

        state = self.state.value

        type_ = self.type_

        waiting = self.waiting

        message = self.message

        until: str | Unset = UNSET
        if not isinstance(self.until, Unset):
            until = self.until.isoformat()


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "channel": channel,
            "lane": lane,
            "name": name,
            "running": running,
            "state": state,
            "type": type_,
            "waiting": waiting,
        })
        if message is not UNSET:
            field_dict["message"] = message
        if until is not UNSET:
            field_dict["until"] = until

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        channel = Channel(d.pop("channel"))




        lane = d.pop("lane")

        name = d.pop("name")

        running = d.pop("running")

        state = ProviderState(d.pop("state"))




        type_ = d.pop("type")

        waiting = d.pop("waiting")

        message = d.pop("message", UNSET)

        _until = d.pop("until", UNSET)
        until: datetime.datetime | Unset
        if isinstance(_until,  Unset):
            until = UNSET
        else:
            until = datetime.datetime.fromisoformat(_until)




        list_provider_data_item = cls(
            channel=channel,
            lane=lane,
            name=name,
            running=running,
            state=state,
            type_=type_,
            waiting=waiting,
            message=message,
            until=until,
        )


        list_provider_data_item.additional_properties = d
        return list_provider_data_item

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
