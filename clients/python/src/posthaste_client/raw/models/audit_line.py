from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast
import datetime

if TYPE_CHECKING:
  from ..models.audit_actor import AuditActor





T = TypeVar("T", bound="AuditLine")



@_attrs_define
class AuditLine:
    """ A line of the audit log.

        Example:
            {'action': 'queues.pause', 'actor': {'key_id': 'k7Qm2XvB0aZt', 'name': 'admin'}, 'at': '2026-01-31T09:30:00Z',
                'id': '0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58', 'ip': '192.0.2.7', 'request_id': '9f2c41d0000000000042', 'target':
                'default'}

        Attributes:
            action (str): What was done: a resource and a verb, `keys.create`; or `auth.refused`.
            actor (AuditActor): Who did it.
            at (datetime.datetime): A time, RFC 3339 in UTC.
            id (str): Its id; ids sort by time.
            target (str): To what.
            details (Any | Unset): More about it; never a secret.
            ip (str | Unset): From where.
            request_id (str | Unset): The `X-Request-Id` of the request.
            tenant (str | Unset): The tenant of the key.
     """

    action: str
    actor: AuditActor
    at: datetime.datetime
    id: str
    target: str
    details: Any | Unset = UNSET
    ip: str | Unset = UNSET
    request_id: str | Unset = UNSET
    tenant: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.audit_actor import AuditActor # noqa: PLC0415
        action = self.action

        actor = self.actor.to_dict()

        at = self.at.isoformat()

        id = self.id

        target = self.target

        details = self.details

        ip = self.ip

        request_id = self.request_id

        tenant = self.tenant


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "action": action,
            "actor": actor,
            "at": at,
            "id": id,
            "target": target,
        })
        if details is not UNSET:
            field_dict["details"] = details
        if ip is not UNSET:
            field_dict["ip"] = ip
        if request_id is not UNSET:
            field_dict["request_id"] = request_id
        if tenant is not UNSET:
            field_dict["tenant"] = tenant

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.audit_actor import AuditActor # noqa: PLC0415
        d = dict(src_dict)
        action = d.pop("action")

        actor = AuditActor.from_dict(d.pop("actor"))




        at = datetime.datetime.fromisoformat(d.pop("at"))




        id = d.pop("id")

        target = d.pop("target")

        details = d.pop("details", UNSET)

        ip = d.pop("ip", UNSET)

        request_id = d.pop("request_id", UNSET)

        tenant = d.pop("tenant", UNSET)

        audit_line = cls(
            action=action,
            actor=actor,
            at=at,
            id=id,
            target=target,
            details=details,
            ip=ip,
            request_id=request_id,
            tenant=tenant,
        )


        audit_line.additional_properties = d
        return audit_line

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
