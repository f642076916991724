from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.channel import Channel
from ..models.fault_answer import FaultAnswer
from ..types import UNSET, Unset
from typing import cast






T = TypeVar("T", bound="Fault")



@_attrs_define
class Fault:
    """ The next sends answer like this.

        Attributes:
            answer (FaultAnswer): How a send answers that a fault was ordered for.
            sends (int): How many sends; counts down.
            channel (Channel | None | Unset):
            retry_after (int | None | Unset): What `429` asks for, in seconds; 60 if left out.
     """

    answer: FaultAnswer
    sends: int
    channel: Channel | None | Unset = UNSET
    retry_after: int | None | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        answer = self.answer.value

        sends = self.sends

        channel: None | str | Unset
        if isinstance(self.channel, Unset):
            channel = UNSET
        elif isinstance(self.channel, Channel):
            channel = self.channel.value
        else:
            channel = self.channel

        retry_after: int | None | Unset
        if isinstance(self.retry_after, Unset):
            retry_after = UNSET
        else:
            retry_after = self.retry_after


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "answer": answer,
            "sends": sends,
        })
        if channel is not UNSET:
            field_dict["channel"] = channel
        if retry_after is not UNSET:
            field_dict["retry_after"] = retry_after

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        answer = FaultAnswer(d.pop("answer"))




        sends = d.pop("sends")

        def _parse_channel(data: object) -> Channel | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                channel_type_0 = Channel(data)



                return channel_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Channel | None | Unset, data)

        channel = _parse_channel(d.pop("channel", UNSET))


        def _parse_retry_after(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        retry_after = _parse_retry_after(d.pop("retry_after", UNSET))


        fault = cls(
            answer=answer,
            sends=sends,
            channel=channel,
            retry_after=retry_after,
        )

        return fault

