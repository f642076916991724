from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast
import datetime






T = TypeVar("T", bound="StatsPoint")



@_attrs_define
class StatsPoint:
    """ One step of time.

        Example:
            {'at': '2026-01-31T09:30:00.000Z', 'cancelled': 0, 'claimed': 121, 'enqueued': 120, 'expired': 0, 'failed': 2,
                'held': 0, 'retried': 1, 'run_p50_ms': 128, 'run_p95_ms': 512, 'succeeded': 118, 'wait_p50_ms': 4,
                'wait_p95_ms': 16}

        Attributes:
            at (datetime.datetime): A time, RFC 3339 in UTC.
            cancelled (int): Tasks cancelled.
            claimed (int): Attempts begun.
            enqueued (int): Tasks accepted.
            expired (int): Tasks expired.
            failed (int): Tasks failed.
            held (int): Of those, held by the sandbox.
            retried (int): Attempts that failed and are tried again.
            succeeded (int): Tasks succeeded, those held by the sandbox included.
            run_p50_ms (int | Unset): Half of the attempts took at most this long.
            run_p95_ms (int | Unset): 95 of 100 took at most this long.
            wait_p50_ms (int | Unset): Half of the attempts waited at most this long, in milliseconds; a power of two.
            wait_p95_ms (int | Unset): 95 of 100 waited at most this long.
     """

    at: datetime.datetime
    cancelled: int
    claimed: int
    enqueued: int
    expired: int
    failed: int
    held: int
    retried: int
    succeeded: int
    run_p50_ms: int | Unset = UNSET
    run_p95_ms: int | Unset = UNSET
    wait_p50_ms: int | Unset = UNSET
    wait_p95_ms: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        at = self.at.isoformat()

        cancelled = self.cancelled

        claimed = self.claimed

        enqueued = self.enqueued

        expired = self.expired

        failed = self.failed

        held = self.held

        retried = self.retried

        succeeded = self.succeeded

        run_p50_ms = self.run_p50_ms

        run_p95_ms = self.run_p95_ms

        wait_p50_ms = self.wait_p50_ms

        wait_p95_ms = self.wait_p95_ms


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "at": at,
            "cancelled": cancelled,
            "claimed": claimed,
            "enqueued": enqueued,
            "expired": expired,
            "failed": failed,
            "held": held,
            "retried": retried,
            "succeeded": succeeded,
        })
        if run_p50_ms is not UNSET:
            field_dict["run_p50_ms"] = run_p50_ms
        if run_p95_ms is not UNSET:
            field_dict["run_p95_ms"] = run_p95_ms
        if wait_p50_ms is not UNSET:
            field_dict["wait_p50_ms"] = wait_p50_ms
        if wait_p95_ms is not UNSET:
            field_dict["wait_p95_ms"] = wait_p95_ms

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        at = datetime.datetime.fromisoformat(d.pop("at"))




        cancelled = d.pop("cancelled")

        claimed = d.pop("claimed")

        enqueued = d.pop("enqueued")

        expired = d.pop("expired")

        failed = d.pop("failed")

        held = d.pop("held")

        retried = d.pop("retried")

        succeeded = d.pop("succeeded")

        run_p50_ms = d.pop("run_p50_ms", UNSET)

        run_p95_ms = d.pop("run_p95_ms", UNSET)

        wait_p50_ms = d.pop("wait_p50_ms", UNSET)

        wait_p95_ms = d.pop("wait_p95_ms", UNSET)

        stats_point = cls(
            at=at,
            cancelled=cancelled,
            claimed=claimed,
            enqueued=enqueued,
            expired=expired,
            failed=failed,
            held=held,
            retried=retried,
            succeeded=succeeded,
            run_p50_ms=run_p50_ms,
            run_p95_ms=run_p95_ms,
            wait_p50_ms=wait_p50_ms,
            wait_p95_ms=wait_p95_ms,
        )


        stats_point.additional_properties = d
        return stats_point

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
