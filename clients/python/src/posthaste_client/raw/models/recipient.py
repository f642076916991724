from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.recipient_counts import RecipientCounts
  from ..models.suppression import Suppression
  from ..models.task import Task





T = TypeVar("T", bound="Recipient")



@_attrs_define
class Recipient:
    """ What is known of a recipient.

        Example:
            {'counts': {'failed': 1, 'succeeded': 3}, 'got_it': True, 'latest': [], 'more': False, 'recipient':
                'email:ann@example.com', 'suppressions': [{'category': 'news', 'channel': 'email', 'created_at':
                '2026-01-31T09:30:00.000Z', 'reason': 'The recipient unsubscribed.', 'recipient': 'news/ann@example.com',
                'source': 'unsubscribe'}]}

        Attributes:
            counts (RecipientCounts): The messages of these pages by state.
            latest (list[Task]): The newest messages, without their texts.
            more (bool): Whether there are more than were counted.
            recipient (str): The recipient, `channel:address`.
            suppressions (list[Suppression]): Why it is not written to, if it is not: of all messages first, then of each
                category, with its name.
            got_it (bool | Unset): Whether the newest message that has ended reached its provider.
     """

    counts: RecipientCounts
    latest: list[Task]
    more: bool
    recipient: str
    suppressions: list[Suppression]
    got_it: bool | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.recipient_counts import RecipientCounts # noqa: PLC0415
        from ..models.suppression import Suppression # noqa: PLC0415
        from ..models.task import Task # noqa: PLC0415
        counts = self.counts.to_dict()

        latest = []
        for latest_item_data in self.latest:
            latest_item = latest_item_data.to_dict()
            latest.append(latest_item)



        more = self.more

        recipient = self.recipient

        suppressions = []
        for suppressions_item_data in self.suppressions:
            suppressions_item = suppressions_item_data.to_dict()
            suppressions.append(suppressions_item)



        got_it = self.got_it


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "counts": counts,
            "latest": latest,
            "more": more,
            "recipient": recipient,
            "suppressions": suppressions,
        })
        if got_it is not UNSET:
            field_dict["got_it"] = got_it

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.recipient_counts import RecipientCounts # noqa: PLC0415
        from ..models.suppression import Suppression # noqa: PLC0415
        from ..models.task import Task # noqa: PLC0415
        d = dict(src_dict)
        counts = RecipientCounts.from_dict(d.pop("counts"))




        latest = []
        _latest = d.pop("latest")
        for latest_item_data in (_latest):
            latest_item = Task.from_dict(latest_item_data)



            latest.append(latest_item)


        more = d.pop("more")

        recipient = d.pop("recipient")

        suppressions = []
        _suppressions = d.pop("suppressions")
        for suppressions_item_data in (_suppressions):
            suppressions_item = Suppression.from_dict(suppressions_item_data)



            suppressions.append(suppressions_item)


        got_it = d.pop("got_it", UNSET)

        recipient = cls(
            counts=counts,
            latest=latest,
            more=more,
            recipient=recipient,
            suppressions=suppressions,
            got_it=got_it,
        )


        recipient.additional_properties = d
        return recipient

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
