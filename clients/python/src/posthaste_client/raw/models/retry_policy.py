from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.on_ambiguous import OnAmbiguous
from typing import cast

if TYPE_CHECKING:
  from ..models.backoff_type_0 import BackoffType0
  from ..models.backoff_type_1 import BackoffType1





T = TypeVar("T", bound="RetryPolicy")



@_attrs_define
class RetryPolicy:
    """ When a task is tried again and when it is given up.

        Attributes:
            backoff (BackoffType0 | BackoffType1): The delays between tries.
            max_age_ms (int): Bounds tries that count nothing, and waiting in a paused lane, from the first due time.
            max_failures (int): The try that brings the failures to this number is the last.
            on_ambiguous (OnAmbiguous): What to do when a message may or may not have been sent.
            timeout_ms (int): How long one attempt may take.
     """

    backoff: BackoffType0 | BackoffType1
    max_age_ms: int
    max_failures: int
    on_ambiguous: OnAmbiguous
    timeout_ms: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.backoff_type_0 import BackoffType0 # noqa: PLC0415
        from ..models.backoff_type_1 import BackoffType1 # noqa: PLC0415
        backoff: dict[str, Any]
        if isinstance(self.backoff, BackoffType0):
            backoff = self.backoff.to_dict()
        else:
            backoff = self.backoff.to_dict()


        max_age_ms = self.max_age_ms

        max_failures = self.max_failures

        on_ambiguous = self.on_ambiguous.value

        timeout_ms = self.timeout_ms


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "backoff": backoff,
            "max_age_ms": max_age_ms,
            "max_failures": max_failures,
            "on_ambiguous": on_ambiguous,
            "timeout_ms": timeout_ms,
        })

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.backoff_type_0 import BackoffType0 # noqa: PLC0415
        from ..models.backoff_type_1 import BackoffType1 # noqa: PLC0415
        d = dict(src_dict)
        def _parse_backoff(data: object) -> BackoffType0 | BackoffType1:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_backoff_type_0 = BackoffType0.from_dict(data)



                return componentsschemas_backoff_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_backoff_type_1 = BackoffType1.from_dict(data)



            return componentsschemas_backoff_type_1

        backoff = _parse_backoff(d.pop("backoff"))


        max_age_ms = d.pop("max_age_ms")

        max_failures = d.pop("max_failures")

        on_ambiguous = OnAmbiguous(d.pop("on_ambiguous"))




        timeout_ms = d.pop("timeout_ms")

        retry_policy = cls(
            backoff=backoff,
            max_age_ms=max_age_ms,
            max_failures=max_failures,
            on_ambiguous=on_ambiguous,
            timeout_ms=timeout_ms,
        )


        retry_policy.additional_properties = d
        return retry_policy

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
