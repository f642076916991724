from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.on_ambiguous import OnAmbiguous
from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
  from ..models.backoff_type_0 import BackoffType0
  from ..models.backoff_type_1 import BackoffType1





T = TypeVar("T", bound="RetryOverride")



@_attrs_define
class RetryOverride:
    """ Parts of a retry policy.

        Attributes:
            backoff (BackoffType0 | BackoffType1 | None | Unset):
            max_age_ms (int | None | Unset): Bounds tries that count nothing, and waiting in a paused lane, in milliseconds.
            max_failures (int | None | Unset): The try that brings the failures to this number is the last.
            on_ambiguous (None | OnAmbiguous | Unset):
            timeout_ms (int | None | Unset): How long one attempt may take, in milliseconds.
     """

    backoff: BackoffType0 | BackoffType1 | None | Unset = UNSET
    max_age_ms: int | None | Unset = UNSET
    max_failures: int | None | Unset = UNSET
    on_ambiguous: None | OnAmbiguous | Unset = UNSET
    timeout_ms: int | None | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        from ..models.backoff_type_0 import BackoffType0 # noqa: PLC0415
        from ..models.backoff_type_1 import BackoffType1 # noqa: PLC0415
        backoff: dict[str, Any] | None | Unset
        if isinstance(self.backoff, Unset):
            backoff = UNSET
        elif isinstance(self.backoff, BackoffType0):
            backoff = self.backoff.to_dict()
        elif isinstance(self.backoff, BackoffType1):
            backoff = self.backoff.to_dict()
        else:
            backoff = self.backoff

        max_age_ms: int | None | Unset
        if isinstance(self.max_age_ms, Unset):
            max_age_ms = UNSET
        else:
            max_age_ms = self.max_age_ms

        max_failures: int | None | Unset
        if isinstance(self.max_failures, Unset):
            max_failures = UNSET
        else:
            max_failures = self.max_failures

        on_ambiguous: None | str | Unset
        if isinstance(self.on_ambiguous, Unset):
            on_ambiguous = UNSET
        elif isinstance(self.on_ambiguous, OnAmbiguous):
            on_ambiguous = self.on_ambiguous.value
        else:
            on_ambiguous = self.on_ambiguous

        timeout_ms: int | None | Unset
        if isinstance(self.timeout_ms, Unset):
            timeout_ms = UNSET
        else:
            timeout_ms = self.timeout_ms


        field_dict: dict[str, Any] = {}

        field_dict.update({
        })
        if backoff is not UNSET:
            field_dict["backoff"] = backoff
        if max_age_ms is not UNSET:
            field_dict["max_age_ms"] = max_age_ms
        if max_failures is not UNSET:
            field_dict["max_failures"] = max_failures
        if on_ambiguous is not UNSET:
            field_dict["on_ambiguous"] = on_ambiguous
        if timeout_ms is not UNSET:
            field_dict["timeout_ms"] = timeout_ms

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.backoff_type_0 import BackoffType0 # noqa: PLC0415
        from ..models.backoff_type_1 import BackoffType1 # noqa: PLC0415
        d = dict(src_dict)
        def _parse_backoff(data: object) -> BackoffType0 | BackoffType1 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_backoff_type_0 = BackoffType0.from_dict(data)



                return componentsschemas_backoff_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_backoff_type_1 = BackoffType1.from_dict(data)



                return componentsschemas_backoff_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(BackoffType0 | BackoffType1 | None | Unset, data)

        backoff = _parse_backoff(d.pop("backoff", UNSET))


        def _parse_max_age_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        max_age_ms = _parse_max_age_ms(d.pop("max_age_ms", UNSET))


        def _parse_max_failures(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        max_failures = _parse_max_failures(d.pop("max_failures", UNSET))


        def _parse_on_ambiguous(data: object) -> None | OnAmbiguous | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                on_ambiguous_type_0 = OnAmbiguous(data)



                return on_ambiguous_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | OnAmbiguous | Unset, data)

        on_ambiguous = _parse_on_ambiguous(d.pop("on_ambiguous", UNSET))


        def _parse_timeout_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        timeout_ms = _parse_timeout_ms(d.pop("timeout_ms", UNSET))


        retry_override = cls(
            backoff=backoff,
            max_age_ms=max_age_ms,
            max_failures=max_failures,
            on_ambiguous=on_ambiguous,
            timeout_ms=timeout_ms,
        )

        return retry_override

