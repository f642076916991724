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
  from ..models.endpoint_disabled import EndpointDisabled





T = TypeVar("T", bound="EndpointWithSecret")



@_attrs_define
class EndpointWithSecret:
    """ An endpoint with the secret that its calls are signed with.

        Attributes:
            created_at (datetime.datetime): A time, RFC 3339 in UTC.
            name (str): Its name.
            secrets (int): How many secrets sign now: two while a rotation overlaps.
            url (str): Where it is.
            secret (str): The newest secret; give it to whoever receives the calls.
            description (str | Unset): What it is for.
            disabled (EndpointDisabled | Unset): Why an endpoint gets nothing any more.
            failing_since (datetime.datetime | Unset): A time, RFC 3339 in UTC.
            tenant (str | Unset): Whose it is.
     """

    created_at: datetime.datetime
    name: str
    secrets: int
    url: str
    secret: str
    description: str | Unset = UNSET
    disabled: EndpointDisabled | Unset = UNSET
    failing_since: datetime.datetime | Unset = UNSET
    tenant: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.endpoint_disabled import EndpointDisabled # noqa: PLC0415
        created_at = self.created_at.isoformat()

        name = self.name

        secrets = self.secrets

        url = self.url

        secret = self.secret

        description = self.description

        disabled: dict[str, Any] | Unset = UNSET
        if not isinstance(self.disabled, Unset):
            disabled = self.disabled.to_dict()

        failing_since: str | Unset = UNSET
        if not isinstance(self.failing_since, Unset):
            failing_since = self.failing_since.isoformat()

        tenant = self.tenant


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "created_at": created_at,
            "name": name,
            "secrets": secrets,
            "url": url,
            "secret": secret,
        })
        if description is not UNSET:
            field_dict["description"] = description
        if disabled is not UNSET:
            field_dict["disabled"] = disabled
        if failing_since is not UNSET:
            field_dict["failing_since"] = failing_since
        if tenant is not UNSET:
            field_dict["tenant"] = tenant

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.endpoint_disabled import EndpointDisabled # noqa: PLC0415
        d = dict(src_dict)
        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))




        name = d.pop("name")

        secrets = d.pop("secrets")

        url = d.pop("url")

        secret = d.pop("secret")

        description = d.pop("description", UNSET)

        _disabled = d.pop("disabled", UNSET)
        disabled: EndpointDisabled | Unset
        if isinstance(_disabled,  Unset):
            disabled = UNSET
        else:
            disabled = EndpointDisabled.from_dict(_disabled)




        _failing_since = d.pop("failing_since", UNSET)
        failing_since: datetime.datetime | Unset
        if isinstance(_failing_since,  Unset):
            failing_since = UNSET
        else:
            failing_since = datetime.datetime.fromisoformat(_failing_since)




        tenant = d.pop("tenant", UNSET)

        endpoint_with_secret = cls(
            created_at=created_at,
            name=name,
            secrets=secrets,
            url=url,
            secret=secret,
            description=description,
            disabled=disabled,
            failing_since=failing_since,
            tenant=tenant,
        )


        endpoint_with_secret.additional_properties = d
        return endpoint_with_secret

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
