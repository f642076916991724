from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.failure_class import FailureClass
from ..models.state import State
from ..types import UNSET, Unset
from typing import cast
from uuid import UUID






T = TypeVar("T", bound="TaskFilter")



@_attrs_define
class TaskFilter:
    """ Which tasks: all given conditions hold, and at least one must be given.

        Attributes:
            batch (None | Unset | UUID):
            class_ (FailureClass | None | Unset):
            kind (None | str | Unset): Of this kind.
            queue (None | str | Unset): In this queue.
            recipient (None | str | Unset): For this recipient: an e-mail address, or `channel:recipient`.
            state (list[State] | None | Unset): In one of these states.
            tenant (None | str | Unset): Of this tenant.
     """

    batch: None | Unset | UUID = UNSET
    class_: FailureClass | None | Unset = UNSET
    kind: None | str | Unset = UNSET
    queue: None | str | Unset = UNSET
    recipient: None | str | Unset = UNSET
    state: list[State] | None | Unset = UNSET
    tenant: None | str | Unset = UNSET





    def to_dict(self) -> dict[str, Any]:
        batch: None | str | Unset
        if isinstance(self.batch, Unset):
            batch = UNSET
        elif isinstance(self.batch, UUID):
            batch = str(self.batch)
        else:
            batch = self.batch

        class_: None | str | Unset
        if isinstance(self.class_, Unset):
            class_ = UNSET
        elif isinstance(self.class_, FailureClass):
            class_ = self.class_.value
        else:
            class_ = self.class_

        kind: None | str | Unset
        if isinstance(self.kind, Unset):
            kind = UNSET
        else:
            kind = self.kind

        queue: None | str | Unset
        if isinstance(self.queue, Unset):
            queue = UNSET
        else:
            queue = self.queue

        recipient: None | str | Unset
        if isinstance(self.recipient, Unset):
            recipient = UNSET
        else:
            recipient = self.recipient

        state: list[str] | None | Unset
        if isinstance(self.state, Unset):
            state = UNSET
        elif isinstance(self.state, list):
            state = []
            for state_type_0_item_data in self.state:
                state_type_0_item = state_type_0_item_data.value
                state.append(state_type_0_item)


        else:
            state = self.state

        tenant: None | str | Unset
        if isinstance(self.tenant, Unset):
            tenant = UNSET
        else:
            tenant = self.tenant


        field_dict: dict[str, Any] = {}

        field_dict.update({
        })
        if batch is not UNSET:
            field_dict["batch"] = batch
        if class_ is not UNSET:
            field_dict["class"] = class_
        if kind is not UNSET:
            field_dict["kind"] = kind
        if queue is not UNSET:
            field_dict["queue"] = queue
        if recipient is not UNSET:
            field_dict["recipient"] = recipient
        if state is not UNSET:
            field_dict["state"] = state
        if tenant is not UNSET:
            field_dict["tenant"] = tenant

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        def _parse_batch(data: object) -> None | Unset | UUID:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                batch_type_0 = UUID(data)



                return batch_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | UUID, data)

        batch = _parse_batch(d.pop("batch", UNSET))


        def _parse_class_(data: object) -> FailureClass | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                class_type_0 = FailureClass(data)



                return class_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(FailureClass | None | Unset, data)

        class_ = _parse_class_(d.pop("class", UNSET))


        def _parse_kind(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        kind = _parse_kind(d.pop("kind", UNSET))


        def _parse_queue(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        queue = _parse_queue(d.pop("queue", UNSET))


        def _parse_recipient(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        recipient = _parse_recipient(d.pop("recipient", UNSET))


        def _parse_state(data: object) -> list[State] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                state_type_0 = []
                _state_type_0 = data
                for state_type_0_item_data in (_state_type_0):
                    state_type_0_item = State(state_type_0_item_data)



                    state_type_0.append(state_type_0_item)

                return state_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[State] | None | Unset, data)

        state = _parse_state(d.pop("state", UNSET))


        def _parse_tenant(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        tenant = _parse_tenant(d.pop("tenant", UNSET))


        task_filter = cls(
            batch=batch,
            class_=class_,
            kind=kind,
            queue=queue,
            recipient=recipient,
            state=state,
            tenant=tenant,
        )

        return task_filter

