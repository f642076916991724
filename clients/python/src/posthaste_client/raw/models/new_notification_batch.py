from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.batch_mode import BatchMode
from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.new_notification import NewNotification





T = TypeVar("T", bound="NewNotificationBatch")



@_attrs_define
class NewNotificationBatch:
    """ Several messages.

        Example:
            {'mode': 'permissive', 'notifications': [{'message': 'Your order 1 is on its way.', 'to': 'ann@example.com'},
                {'channel': 'webhook', 'data': {'order': 1}, 'event': 'order.shipped', 'to': 'shop'}]}

        Attributes:
            notifications (list[NewNotification]): The messages, each to one recipient.
            callback_url (None | str | Unset): Told by a signed POST when all of them are final.
            mode (BatchMode | None | Unset):
     """

    notifications: list[NewNotification]
    callback_url: None | str | Unset = UNSET
    mode: BatchMode | None | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        from ..models.new_notification import NewNotification # noqa: PLC0415
        notifications = []
        for notifications_item_data in self.notifications:
            notifications_item = notifications_item_data.to_dict()
            notifications.append(notifications_item)



        callback_url: None | str | Unset
        if isinstance(self.callback_url, Unset):
            callback_url = UNSET
        else:
            callback_url = self.callback_url

        mode: None | str | Unset
        if isinstance(self.mode, Unset):
            mode = UNSET
        elif isinstance(self.mode, BatchMode):
            mode = self.mode.value
        else:
            mode = self.mode


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "notifications": notifications,
        })
        if callback_url is not UNSET:
            field_dict["callback_url"] = callback_url
        if mode is not UNSET:
            field_dict["mode"] = mode

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.new_notification import NewNotification # noqa: PLC0415
        d = dict(src_dict)
        notifications = []
        _notifications = d.pop("notifications")
        for notifications_item_data in (_notifications):
            notifications_item = NewNotification.from_dict(notifications_item_data)



            notifications.append(notifications_item)


        def _parse_callback_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        callback_url = _parse_callback_url(d.pop("callback_url", UNSET))


        def _parse_mode(data: object) -> BatchMode | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                mode_type_0 = BatchMode(data)



                return mode_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(BatchMode | None | Unset, data)

        mode = _parse_mode(d.pop("mode", UNSET))


        new_notification_batch = cls(
            notifications=notifications,
            callback_url=callback_url,
            mode=mode,
        )

        return new_notification_batch

