from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.missed_policy import MissedPolicy
from ..types import UNSET, Unset
from typing import cast
import datetime

if TYPE_CHECKING:
  from ..models.retry_policy import RetryPolicy





T = TypeVar("T", bound="Schedule")



@_attrs_define
class Schedule:
    """ A schedule.

        Example:
            {'cron': '0 7 * * 1-5', 'kind': 'notify', 'last_run_at': '2026-01-30T06:00:00.000Z', 'missed': 'run_once',
                'name': 'nightly-digest', 'next_runs': ['2026-02-02T06:00:00.000Z'], 'paused': False, 'payload': {'channel':
                'email', 'message': 'Good morning.', 'to': 'team@example.com'}, 'queue': 'default', 'retry': {'backoff':
                {'base_ms': 2000, 'cap_ms': 3600000, 'type': 'exponential'}, 'max_age_ms': 259200000, 'max_failures': 10,
                'on_ambiguous': 'retry', 'timeout_ms': 60000}, 'time_zone': 'Europe/Berlin', 'version': 1}

        Attributes:
            cron (str): Five fields (minute to day of week), or six with seconds in front.
            kind (str): The kind of its tasks.
            missed (MissedPolicy): What happens to ticks that nobody noticed in time.
            name (str): Its name.
            next_runs (list[datetime.datetime]): Its next ticks; none while it is paused.
            paused (bool): Whether it stands still.
            payload (Any): Their payload.
            queue (str): Their queue.
            retry (RetryPolicy): When a task is tried again and when it is given up.
            time_zone (str): The IANA time zone that it is read in.
            version (int): Rises each time it is changed or runs.
            last_run_at (datetime.datetime | None | Unset):
     """

    cron: str
    kind: str
    missed: MissedPolicy
    name: str
    next_runs: list[datetime.datetime]
    paused: bool
    payload: Any
    queue: str
    retry: RetryPolicy
    time_zone: str
    version: int
    last_run_at: datetime.datetime | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.retry_policy import RetryPolicy # noqa: PLC0415
        cron = self.cron

        kind = self.kind

        missed = self.missed.value

        name = self.name

        next_runs = []
        for next_runs_item_data in self.next_runs:
            next_runs_item = next_runs_item_data.isoformat()
            next_runs.append(next_runs_item)



        paused = self.paused

        payload = self.payload

        queue = self.queue

        retry = self.retry.to_dict()

        time_zone = self.time_zone

        version = self.version

        last_run_at: None | str | Unset
        if isinstance(self.last_run_at, Unset):
            last_run_at = UNSET
        elif isinstance(self.last_run_at, datetime.datetime):
            last_run_at = self.last_run_at.isoformat()
        else:
            last_run_at = self.last_run_at


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "cron": cron,
            "kind": kind,
            "missed": missed,
            "name": name,
            "next_runs": next_runs,
            "paused": paused,
            "payload": payload,
            "queue": queue,
            "retry": retry,
            "time_zone": time_zone,
            "version": version,
        })
        if last_run_at is not UNSET:
            field_dict["last_run_at"] = last_run_at

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.retry_policy import RetryPolicy # noqa: PLC0415
        d = dict(src_dict)
        cron = d.pop("cron")

        kind = d.pop("kind")

        missed = MissedPolicy(d.pop("missed"))




        name = d.pop("name")

        next_runs = []
        _next_runs = d.pop("next_runs")
        for next_runs_item_data in (_next_runs):
            next_runs_item = datetime.datetime.fromisoformat(next_runs_item_data)



            next_runs.append(next_runs_item)


        paused = d.pop("paused")

        payload = d.pop("payload")

        queue = d.pop("queue")

        retry = RetryPolicy.from_dict(d.pop("retry"))




        time_zone = d.pop("time_zone")

        version = d.pop("version")

        def _parse_last_run_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                last_run_at_type_0 = datetime.datetime.fromisoformat(data)



                return last_run_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        last_run_at = _parse_last_run_at(d.pop("last_run_at", UNSET))


        schedule = cls(
            cron=cron,
            kind=kind,
            missed=missed,
            name=name,
            next_runs=next_runs,
            paused=paused,
            payload=payload,
            queue=queue,
            retry=retry,
            time_zone=time_zone,
            version=version,
            last_run_at=last_run_at,
        )


        schedule.additional_properties = d
        return schedule

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
