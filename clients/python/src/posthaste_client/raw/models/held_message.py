from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.channel import Channel
from ..types import UNSET, Unset
from typing import cast
import datetime

if TYPE_CHECKING:
  from ..models.held_message_headers import HeldMessageHeaders





T = TypeVar("T", bound="HeldMessage")



@_attrs_define
class HeldMessage:
    """ A message that the sandbox held: what its recipient would have seen.

        Example:
            {'channel': 'email', 'date': '2026-01-31T09:30:00.000Z', 'from': 'Shop <shop@example.com>', 'message_id':
                '<0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58@shop.example.com>', 'reason': 'no e-mail provider is configured',
                'subject': 'Your order', 'text': 'It is on its way.', 'to': 'ann@example.com'}

        Attributes:
            channel (Channel): A way to deliver a message.
            date (datetime.datetime): A time, RFC 3339 in UTC.
            from_ (str): The sender, as `Name <address>`.
            message_id (str): Its `Message-ID`.
            reason (str): Why it was held, as the end of a sentence.
            subject (str): The subject; empty when there is none.
            text (str): The text part.
            to (str): The recipient.
            attachments (list[str] | Unset): The names of the files that would have gone with it.
            bcc (list[str] | Unset): Who would have got copies that nobody else sees.
            cc (list[str] | Unset): Who would have got copies.
            data (Any | Unset): What a webhook would have said.
            event (str | Unset): The event of a webhook.
            headers (HeldMessageHeaders | Unset): Headers of the caller's own, and those of one-click unsubscribe.
            html (str | Unset): The HTML part, if the sender gave one; otherwise it is made from the text.
            reply_to (str | Unset): Where answers would have gone, if not to the sender.
     """

    channel: Channel
    date: datetime.datetime
    from_: str
    message_id: str
    reason: str
    subject: str
    text: str
    to: str
    attachments: list[str] | Unset = UNSET
    bcc: list[str] | Unset = UNSET
    cc: list[str] | Unset = UNSET
    data: Any | Unset = UNSET
    event: str | Unset = UNSET
    headers: HeldMessageHeaders | Unset = UNSET
    html: str | Unset = UNSET
    reply_to: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.held_message_headers import HeldMessageHeaders # noqa: PLC0415
        channel = self.channel.value

        date = self.date.isoformat()

        from_ = self.from_

        message_id = self.message_id

        reason = self.reason

        subject = self.subject

        text = self.text

        to = self.to

        attachments: list[str] | Unset = UNSET
        if not isinstance(self.attachments, Unset):
            attachments = self.attachments



        bcc: list[str] | Unset = UNSET
        if not isinstance(self.bcc, Unset):
            bcc = self.bcc



        cc: list[str] | Unset = UNSET
        if not isinstance(self.cc, Unset):
            cc = self.cc



        data = self.data

        event = self.event

        headers: dict[str, Any] | Unset = UNSET
        if not isinstance(self.headers, Unset):
            headers = self.headers.to_dict()

        html = self.html

        reply_to = self.reply_to


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "channel": channel,
            "date": date,
            "from": from_,
            "message_id": message_id,
            "reason": reason,
            "subject": subject,
            "text": text,
            "to": to,
        })
        if attachments is not UNSET:
            field_dict["attachments"] = attachments
        if bcc is not UNSET:
            field_dict["bcc"] = bcc
        if cc is not UNSET:
            field_dict["cc"] = cc
        if data is not UNSET:
            field_dict["data"] = data
        if event is not UNSET:
            field_dict["event"] = event
        if headers is not UNSET:
            field_dict["headers"] = headers
        if html is not UNSET:
            field_dict["html"] = html
        if reply_to is not UNSET:
            field_dict["reply_to"] = reply_to

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.held_message_headers import HeldMessageHeaders # noqa: PLC0415
        d = dict(src_dict)
        channel = Channel(d.pop("channel"))




        date = datetime.datetime.fromisoformat(d.pop("date"))




        from_ = d.pop("from")

        message_id = d.pop("message_id")

        reason = d.pop("reason")

        subject = d.pop("subject")

        text = d.pop("text")

        to = d.pop("to")

        attachments = cast(list[str], d.pop("attachments", UNSET))


        bcc = cast(list[str], d.pop("bcc", UNSET))


        cc = cast(list[str], d.pop("cc", UNSET))


        data = d.pop("data", UNSET)

        event = d.pop("event", UNSET)

        _headers = d.pop("headers", UNSET)
        headers: HeldMessageHeaders | Unset
        if isinstance(_headers,  Unset):
            headers = UNSET
        else:
            headers = HeldMessageHeaders.from_dict(_headers)




        html = d.pop("html", UNSET)

        reply_to = d.pop("reply_to", UNSET)

        held_message = cls(
            channel=channel,
            date=date,
            from_=from_,
            message_id=message_id,
            reason=reason,
            subject=subject,
            text=text,
            to=to,
            attachments=attachments,
            bcc=bcc,
            cc=cc,
            data=data,
            event=event,
            headers=headers,
            html=html,
            reply_to=reply_to,
        )


        held_message.additional_properties = d
        return held_message

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
