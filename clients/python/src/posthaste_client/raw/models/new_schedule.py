from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.missed_policy import MissedPolicy
from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.retry_override import RetryOverride





T = TypeVar("T", bound="NewSchedule")



@_attrs_define
class NewSchedule:
    """ A schedule to be stored.

        Example:
            {'cron': '0 7 * * 1-5', 'kind': 'notify', 'payload': {'channel': 'email', 'message': 'Good morning.', 'to':
                'team@example.com'}, 'time_zone': 'Europe/Berlin'}

        Attributes:
            cron (str): Five fields (minute, hour, day of month, month, day of week), or six with seconds in front.
            kind (str): The kind of its tasks.
            payload (Any): Their payload; of kind `notify` a notification as in `/v1/tasks`.
            missed (MissedPolicy | None | Unset):
            paused (bool | None | Unset): Whether it stands still; it does not if left out.
            queue (None | str | Unset): Their queue; `default` if left out.
            retry (None | RetryOverride | Unset):
            time_zone (None | str | Unset): The IANA time zone that it is read in; `UTC` if left out.
     """

    cron: str
    kind: str
    payload: Any
    missed: MissedPolicy | None | Unset = UNSET
    paused: bool | None | Unset = UNSET
    queue: None | str | Unset = UNSET
    retry: None | RetryOverride | Unset = UNSET
    time_zone: None | str | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        from ..models.retry_override import RetryOverride # noqa: PLC0415
        cron = self.cron

        kind = self.kind

        payload = self.payload

        missed: None | str | Unset
        if isinstance(self.missed, Unset):
            missed = UNSET
        elif isinstance(self.missed, MissedPolicy):
            missed = self.missed.value
        else:
            missed = self.missed

        paused: bool | None | Unset
        if isinstance(self.paused, Unset):
            paused = UNSET
        else:
            paused = self.paused

        queue: None | str | Unset
        if isinstance(self.queue, Unset):
            queue = UNSET
        else:
            queue = self.queue

        retry: dict[str, Any] | None | Unset
        if isinstance(self.retry, Unset):
            retry = UNSET
        elif isinstance(self.retry, RetryOverride):
            retry = self.retry.to_dict()
        else:
            retry = self.retry

        time_zone: None | str | Unset
        if isinstance(self.time_zone, Unset):
            time_zone = UNSET
        else:
            time_zone = self.time_zone


        field_dict: dict[str, Any] = {}

        field_dict.update({
            "cron": cron,
            "kind": kind,
            "payload": payload,
        })
        if missed is not UNSET:
            field_dict["missed"] = missed
        if paused is not UNSET:
            field_dict["paused"] = paused
        if queue is not UNSET:
            field_dict["queue"] = queue
        if retry is not UNSET:
            field_dict["retry"] = retry
        if time_zone is not UNSET:
            field_dict["time_zone"] = time_zone

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.retry_override import RetryOverride # noqa: PLC0415
        d = dict(src_dict)
        cron = d.pop("cron")

        kind = d.pop("kind")

        payload = d.pop("payload")

        def _parse_missed(data: object) -> MissedPolicy | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                missed_type_0 = MissedPolicy(data)



                return missed_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(MissedPolicy | None | Unset, data)

        missed = _parse_missed(d.pop("missed", UNSET))


        def _parse_paused(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        paused = _parse_paused(d.pop("paused", UNSET))


        def _parse_queue(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        queue = _parse_queue(d.pop("queue", UNSET))


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


        def _parse_time_zone(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        time_zone = _parse_time_zone(d.pop("time_zone", UNSET))


        new_schedule = cls(
            cron=cron,
            kind=kind,
            payload=payload,
            missed=missed,
            paused=paused,
            queue=queue,
            retry=retry,
            time_zone=time_zone,
        )

        return new_schedule

