from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.channel import Channel
from ..models.priority import Priority
from ..types import UNSET, Unset
from typing import cast
from uuid import UUID
import datetime

if TYPE_CHECKING:
  from ..models.attachment import Attachment
  from ..models.new_notification_headers_type_0 import NewNotificationHeadersType0
  from ..models.new_notification_options_type_0 import NewNotificationOptionsType0
  from ..models.retry_override import RetryOverride
  from ..models.template_choice import TemplateChoice
  from ..models.to_type_1 import ToType1
  from ..models.unique import Unique





T = TypeVar("T", bound="NewNotification")



@_attrs_define
class NewNotification:
    """ A message to one recipient.

        Example:
            {'data': {'name': 'Ann'}, 'send_at': '2026-01-31T09:30:00Z', 'template': {'name': 'welcome'}, 'to':
                'ann@example.com'}

        Attributes:
            attachments (list[Attachment] | None | Unset): Files that go with an e-mail: at most 10, at most 10 MiB
                together.
            bcc (list[str] | None | Unset): Who gets copies of an e-mail that nobody else sees.
            cc (list[str] | None | Unset): Who gets copies of an e-mail.
            channel (Channel | None | Unset):
            data (Any | Unset): What the template is filled in with, and what a webhook says. Of a template an object.
            delay_ms (int | None | Unset): How long after `send_at` it is sent, or after it was accepted if there is none,
                in milliseconds.
            event (None | str | Unset): What kind of event a webhook tells of; `notification` if left out.
            expires_at (datetime.datetime | None | Unset):
            from_ (None | str | Unset): Who an e-mail is from, `name@example.com` or `Name <name@example.com>`: the sender
                of its provider, or one of its
                `senders`. With a key of a tenant the provider's own alone.
            headers (NewNotificationHeadersType0 | None | Unset): Headers of an e-mail, such as `List-Id`; those that the
                server writes are refused.
            html (None | str | Unset): The HTML of an e-mail; made from the text if left out. The whole notification is at
                most 256 KiB.
            id (None | Unset | UUID):
            message (None | str | Unset): The text.
            options (NewNotificationOptionsType0 | None | Unset): What only the channel knows: of discord `username`; of
                telegram `parse_mode`, `silent`; of ntfy `priority`, `tags`,
                `click`; of gotify `priority`; of web_push `ttl`, `urgency`, `topic`, `url`.
            priority (None | Priority | Unset):
            provider (None | str | Unset): Which configured provider sends it; `default` if left out.
            queue (None | str | Unset): Where it waits; `default` if left out.
            reply_to (None | str | Unset): Where answers to an e-mail go, if not to the sender: `name@example.com` or `Name
                <name@example.com>`.
            retry (None | RetryOverride | Unset):
            send_at (datetime.datetime | None | Unset):
            subject (None | str | Unset): The subject or title; one line.
            template (None | TemplateChoice | Unset):
            tenant (None | str | Unset): Whose it is; tenants share each provider fairly.
            to (None | str | ToType1 | Unset):
            unique (None | Unique | Unset):
            unsubscribe (None | str | Unset): The category that the recipient may unsubscribe from with one click.
     """

    attachments: list[Attachment] | None | Unset = UNSET
    bcc: list[str] | None | Unset = UNSET
    cc: list[str] | None | Unset = UNSET
    channel: Channel | None | Unset = UNSET
    data: Any | Unset = UNSET
    delay_ms: int | None | Unset = UNSET
    event: None | str | Unset = UNSET
    expires_at: datetime.datetime | None | Unset = UNSET
    from_: None | str | Unset = UNSET
    headers: NewNotificationHeadersType0 | None | Unset = UNSET
    html: None | str | Unset = UNSET
    id: None | Unset | UUID = UNSET
    message: None | str | Unset = UNSET
    options: NewNotificationOptionsType0 | None | Unset = UNSET
    priority: None | Priority | Unset = UNSET
    provider: None | str | Unset = UNSET
    queue: None | str | Unset = UNSET
    reply_to: None | str | Unset = UNSET
    retry: None | RetryOverride | Unset = UNSET
    send_at: datetime.datetime | None | Unset = UNSET
    subject: None | str | Unset = UNSET
    template: None | TemplateChoice | Unset = UNSET
    tenant: None | str | Unset = UNSET
    to: None | str | ToType1 | Unset = UNSET
    unique: None | Unique | Unset = UNSET
    unsubscribe: None | str | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        from ..models.attachment import Attachment # noqa: PLC0415
        from ..models.new_notification_headers_type_0 import NewNotificationHeadersType0 # noqa: PLC0415
        from ..models.new_notification_options_type_0 import NewNotificationOptionsType0 # noqa: PLC0415
        from ..models.retry_override import RetryOverride # noqa: PLC0415
        from ..models.template_choice import TemplateChoice # noqa: PLC0415
        from ..models.to_type_1 import ToType1 # noqa: PLC0415
        from ..models.unique import Unique # noqa: PLC0415
        attachments: list[dict[str, Any]] | None | Unset
        if isinstance(self.attachments, Unset):
            attachments = UNSET
        elif isinstance(self.attachments, list):
            attachments = []
            for attachments_type_0_item_data in self.attachments:
                attachments_type_0_item = attachments_type_0_item_data.to_dict()
                attachments.append(attachments_type_0_item)


        else:
            attachments = self.attachments

        bcc: list[str] | None | Unset
        if isinstance(self.bcc, Unset):
            bcc = UNSET
        elif isinstance(self.bcc, list):
            bcc = self.bcc


        else:
            bcc = self.bcc

        cc: list[str] | None | Unset
        if isinstance(self.cc, Unset):
            cc = UNSET
        elif isinstance(self.cc, list):
            cc = self.cc


        else:
            cc = self.cc

        channel: None | str | Unset
        if isinstance(self.channel, Unset):
            channel = UNSET
        elif isinstance(self.channel, Channel):
            channel = self.channel.value
        else:
            channel = self.channel

        data = self.data

        delay_ms: int | None | Unset
        if isinstance(self.delay_ms, Unset):
            delay_ms = UNSET
        else:
            delay_ms = self.delay_ms

        event: None | str | Unset
        if isinstance(self.event, Unset):
            event = UNSET
        else:
            event = self.event

        expires_at: None | str | Unset
        if isinstance(self.expires_at, Unset):
            expires_at = UNSET
        elif isinstance(self.expires_at, datetime.datetime):
            expires_at = self.expires_at.isoformat()
        else:
            expires_at = self.expires_at

        from_: None | str | Unset
        if isinstance(self.from_, Unset):
            from_ = UNSET
        else:
            from_ = self.from_

        headers: dict[str, Any] | None | Unset
        if isinstance(self.headers, Unset):
            headers = UNSET
        elif isinstance(self.headers, NewNotificationHeadersType0):
            headers = self.headers.to_dict()
        else:
            headers = self.headers

        html: None | str | Unset
        if isinstance(self.html, Unset):
            html = UNSET
        else:
            html = self.html

        id: None | str | Unset
        if isinstance(self.id, Unset):
            id = UNSET
        elif isinstance(self.id, UUID):
            id = str(self.id)
        else:
            id = self.id

        message: None | str | Unset
        if isinstance(self.message, Unset):
            message = UNSET
        else:
            message = self.message

        options: dict[str, Any] | None | Unset
        if isinstance(self.options, Unset):
            options = UNSET
        elif isinstance(self.options, NewNotificationOptionsType0):
            options = self.options.to_dict()
        else:
            options = self.options

        priority: None | str | Unset
        if isinstance(self.priority, Unset):
            priority = UNSET
        elif isinstance(self.priority, Priority):
            priority = self.priority.value
        else:
            priority = self.priority

        provider: None | str | Unset
        if isinstance(self.provider, Unset):
            provider = UNSET
        else:
            provider = self.provider

        queue: None | str | Unset
        if isinstance(self.queue, Unset):
            queue = UNSET
        else:
            queue = self.queue

        reply_to: None | str | Unset
        if isinstance(self.reply_to, Unset):
            reply_to = UNSET
        else:
            reply_to = self.reply_to

        retry: dict[str, Any] | None | Unset
        if isinstance(self.retry, Unset):
            retry = UNSET
        elif isinstance(self.retry, RetryOverride):
            retry = self.retry.to_dict()
        else:
            retry = self.retry

        send_at: None | str | Unset
        if isinstance(self.send_at, Unset):
            send_at = UNSET
        elif isinstance(self.send_at, datetime.datetime):
            send_at = self.send_at.isoformat()
        else:
            send_at = self.send_at

        subject: None | str | Unset
        if isinstance(self.subject, Unset):
            subject = UNSET
        else:
            subject = self.subject

        template: dict[str, Any] | None | Unset
        if isinstance(self.template, Unset):
            template = UNSET
        elif isinstance(self.template, TemplateChoice):
            template = self.template.to_dict()
        else:
            template = self.template

        tenant: None | str | Unset
        if isinstance(self.tenant, Unset):
            tenant = UNSET
        else:
            tenant = self.tenant

        to: dict[str, Any] | None | str | Unset
        if isinstance(self.to, Unset):
            to = UNSET
        elif isinstance(self.to, ToType1):
            to = self.to.to_dict()
        else:
            to = self.to

        unique: dict[str, Any] | None | Unset
        if isinstance(self.unique, Unset):
            unique = UNSET
        elif isinstance(self.unique, Unique):
            unique = self.unique.to_dict()
        else:
            unique = self.unique

        unsubscribe: None | str | Unset
        if isinstance(self.unsubscribe, Unset):
            unsubscribe = UNSET
        else:
            unsubscribe = self.unsubscribe


        field_dict: dict[str, Any] = {}

        field_dict.update({
        })
        if attachments is not UNSET:
            field_dict["attachments"] = attachments
        if bcc is not UNSET:
            field_dict["bcc"] = bcc
        if cc is not UNSET:
            field_dict["cc"] = cc
        if channel is not UNSET:
            field_dict["channel"] = channel
        if data is not UNSET:
            field_dict["data"] = data
        if delay_ms is not UNSET:
            field_dict["delay_ms"] = delay_ms
        if event is not UNSET:
            field_dict["event"] = event
        if expires_at is not UNSET:
            field_dict["expires_at"] = expires_at
        if from_ is not UNSET:
            field_dict["from"] = from_
        if headers is not UNSET:
            field_dict["headers"] = headers
        if html is not UNSET:
            field_dict["html"] = html
        if id is not UNSET:
            field_dict["id"] = id
        if message is not UNSET:
            field_dict["message"] = message
        if options is not UNSET:
            field_dict["options"] = options
        if priority is not UNSET:
            field_dict["priority"] = priority
        if provider is not UNSET:
            field_dict["provider"] = provider
        if queue is not UNSET:
            field_dict["queue"] = queue
        if reply_to is not UNSET:
            field_dict["reply_to"] = reply_to
        if retry is not UNSET:
            field_dict["retry"] = retry
        if send_at is not UNSET:
            field_dict["send_at"] = send_at
        if subject is not UNSET:
            field_dict["subject"] = subject
        if template is not UNSET:
            field_dict["template"] = template
        if tenant is not UNSET:
            field_dict["tenant"] = tenant
        if to is not UNSET:
            field_dict["to"] = to
        if unique is not UNSET:
            field_dict["unique"] = unique
        if unsubscribe is not UNSET:
            field_dict["unsubscribe"] = unsubscribe

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.attachment import Attachment # noqa: PLC0415
        from ..models.new_notification_headers_type_0 import NewNotificationHeadersType0 # noqa: PLC0415
        from ..models.new_notification_options_type_0 import NewNotificationOptionsType0 # noqa: PLC0415
        from ..models.retry_override import RetryOverride # noqa: PLC0415
        from ..models.template_choice import TemplateChoice # noqa: PLC0415
        from ..models.to_type_1 import ToType1 # noqa: PLC0415
        from ..models.unique import Unique # noqa: PLC0415
        d = dict(src_dict)
        def _parse_attachments(data: object) -> list[Attachment] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                attachments_type_0 = []
                _attachments_type_0 = data
                for attachments_type_0_item_data in (_attachments_type_0):
                    attachments_type_0_item = Attachment.from_dict(attachments_type_0_item_data)



                    attachments_type_0.append(attachments_type_0_item)

                return attachments_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[Attachment] | None | Unset, data)

        attachments = _parse_attachments(d.pop("attachments", UNSET))


        def _parse_bcc(data: object) -> list[str] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                bcc_type_0 = cast(list[str], data)

                return bcc_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | None | Unset, data)

        bcc = _parse_bcc(d.pop("bcc", UNSET))


        def _parse_cc(data: object) -> list[str] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                cc_type_0 = cast(list[str], data)

                return cc_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | None | Unset, data)

        cc = _parse_cc(d.pop("cc", UNSET))


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


        data = d.pop("data", UNSET)

        def _parse_delay_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        delay_ms = _parse_delay_ms(d.pop("delay_ms", UNSET))


        def _parse_event(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        event = _parse_event(d.pop("event", UNSET))


        def _parse_expires_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                expires_at_type_0 = datetime.datetime.fromisoformat(data)



                return expires_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        expires_at = _parse_expires_at(d.pop("expires_at", UNSET))


        def _parse_from_(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        from_ = _parse_from_(d.pop("from", UNSET))


        def _parse_headers(data: object) -> NewNotificationHeadersType0 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                headers_type_0 = NewNotificationHeadersType0.from_dict(data)



                return headers_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(NewNotificationHeadersType0 | None | Unset, data)

        headers = _parse_headers(d.pop("headers", UNSET))


        def _parse_html(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        html = _parse_html(d.pop("html", UNSET))


        def _parse_id(data: object) -> None | Unset | UUID:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                id_type_0 = UUID(data)



                return id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | UUID, data)

        id = _parse_id(d.pop("id", UNSET))


        def _parse_message(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        message = _parse_message(d.pop("message", UNSET))


        def _parse_options(data: object) -> NewNotificationOptionsType0 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                options_type_0 = NewNotificationOptionsType0.from_dict(data)



                return options_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(NewNotificationOptionsType0 | None | Unset, data)

        options = _parse_options(d.pop("options", UNSET))


        def _parse_priority(data: object) -> None | Priority | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                priority_type_0 = Priority(data)



                return priority_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Priority | Unset, data)

        priority = _parse_priority(d.pop("priority", UNSET))


        def _parse_provider(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        provider = _parse_provider(d.pop("provider", UNSET))


        def _parse_queue(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        queue = _parse_queue(d.pop("queue", UNSET))


        def _parse_reply_to(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        reply_to = _parse_reply_to(d.pop("reply_to", UNSET))


        def _parse_retry(data: object) -> None | RetryOverride | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                retry_type_0 = RetryOverride.from_dict(data)



                return retry_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | RetryOverride | Unset, data)

        retry = _parse_retry(d.pop("retry", UNSET))


        def _parse_send_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                send_at_type_0 = datetime.datetime.fromisoformat(data)



                return send_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        send_at = _parse_send_at(d.pop("send_at", UNSET))


        def _parse_subject(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        subject = _parse_subject(d.pop("subject", UNSET))


        def _parse_template(data: object) -> None | TemplateChoice | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                template_type_0 = TemplateChoice.from_dict(data)



                return template_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | TemplateChoice | Unset, data)

        template = _parse_template(d.pop("template", UNSET))


        def _parse_tenant(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        tenant = _parse_tenant(d.pop("tenant", UNSET))


        def _parse_to(data: object) -> None | str | ToType1 | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_to_type_1 = ToType1.from_dict(data)



                return componentsschemas_to_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | str | ToType1 | Unset, data)

        to = _parse_to(d.pop("to", UNSET))


        def _parse_unique(data: object) -> None | Unique | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                unique_type_0 = Unique.from_dict(data)



                return unique_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unique | Unset, data)

        unique = _parse_unique(d.pop("unique", UNSET))


        def _parse_unsubscribe(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        unsubscribe = _parse_unsubscribe(d.pop("unsubscribe", UNSET))


        new_notification = cls(
            attachments=attachments,
            bcc=bcc,
            cc=cc,
            channel=channel,
            data=data,
            delay_ms=delay_ms,
            event=event,
            expires_at=expires_at,
            from_=from_,
            headers=headers,
            html=html,
            id=id,
            message=message,
            options=options,
            priority=priority,
            provider=provider,
            queue=queue,
            reply_to=reply_to,
            retry=retry,
            send_at=send_at,
            subject=subject,
            template=template,
            tenant=tenant,
            to=to,
            unique=unique,
            unsubscribe=unsubscribe,
        )

        return new_notification

