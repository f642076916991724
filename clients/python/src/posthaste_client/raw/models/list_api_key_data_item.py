from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.key_scope import KeyScope
from ..types import UNSET, Unset
from typing import cast
import datetime

if TYPE_CHECKING:
  from ..models.rate_limit import RateLimit





T = TypeVar("T", bound="ListApiKeyDataItem")



@_attrs_define
class ListApiKeyDataItem:
    """ An API key; its token is not known any more.

        Example:
            {'created_at': '2026-01-31T09:30:00Z', 'id': 'k7Qm2XvB0aZt', 'last_used_at': '2026-02-01T10:00:00Z', 'name':
                'shop backend', 'scopes': ['send', 'read'], 'tenant': 'acme'}

        Attributes:
            created_at (datetime.datetime): A time, RFC 3339 in UTC.
            id (str): Its id, also the first part of its token.
            name (str): What it is for.
            scopes (list[KeyScope]): What it lets its holder do; `admin` includes the others.
            expires_at (datetime.datetime | Unset): A time, RFC 3339 in UTC.
            last_used_at (datetime.datetime | Unset): A time, RFC 3339 in UTC.
            last_used_from (str | Unset): From which address.
            rate_limit (RateLimit | Unset): How many requests a key may make. Counted by each process for itself: behind `n`
                of them a key
                gets up to `n` times as many.
            revoked_at (datetime.datetime | Unset): A time, RFC 3339 in UTC.
            tenant (str | Unset): Whose tasks it sees and makes; left out for a key of the whole installation.
     """

    created_at: datetime.datetime
    id: str
    name: str
    scopes: list[KeyScope]
    expires_at: datetime.datetime | Unset = UNSET
    last_used_at: datetime.datetime | Unset = UNSET
    last_used_from: str | Unset = UNSET
    rate_limit: RateLimit | Unset = UNSET
    revoked_at: datetime.datetime | Unset = UNSET
    tenant: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        from ..models.rate_limit import RateLimit # noqa: PLC0415
        created_at = self.created_at.isoformat()

        id = self.id

        name = self.name

        scopes = []
        for scopes_item_data in self.scopes:
            scopes_item = scopes_item_data.value
            scopes.append(scopes_item)



        expires_at: str | Unset = UNSET
        if not isinstance(self.expires_at, Unset):
            expires_at = self.expires_at.isoformat()

        last_used_at: str | Unset = UNSET
        if not isinstance(self.last_used_at, Unset):
            last_used_at = self.last_used_at.isoformat()

        last_used_from = self.last_used_from

        rate_limit: dict[str, Any] | Unset = UNSET
        if not isinstance(self.rate_limit, Unset):
            rate_limit = self.rate_limit.to_dict()

        revoked_at: str | Unset = UNSET
        if not isinstance(self.revoked_at, Unset):
            revoked_at = self.revoked_at.isoformat()

        tenant = self.tenant


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "created_at": created_at,
            "id": id,
            "name": name,
            "scopes": scopes,
        })
        if expires_at is not UNSET:
            field_dict["expires_at"] = expires_at
        if last_used_at is not UNSET:
            field_dict["last_used_at"] = last_used_at
        if last_used_from is not UNSET:
            field_dict["last_used_from"] = last_used_from
        if rate_limit is not UNSET:
            field_dict["rate_limit"] = rate_limit
        if revoked_at is not UNSET:
            field_dict["revoked_at"] = revoked_at
        if tenant is not UNSET:
            field_dict["tenant"] = tenant

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.rate_limit import RateLimit # noqa: PLC0415
        d = dict(src_dict)
        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))




        id = d.pop("id")

        name = d.pop("name")

        scopes = []
        _scopes = d.pop("scopes")
        for scopes_item_data in (_scopes):
            scopes_item = KeyScope(scopes_item_data)



            scopes.append(scopes_item)


        _expires_at = d.pop("expires_at", UNSET)
        expires_at: datetime.datetime | Unset
        if isinstance(_expires_at,  Unset):
            expires_at = UNSET
        else:
            expires_at = datetime.datetime.fromisoformat(_expires_at)




        _last_used_at = d.pop("last_used_at", UNSET)
        last_used_at: datetime.datetime | Unset
        if isinstance(_last_used_at,  Unset):
            last_used_at = UNSET
        else:
            last_used_at = datetime.datetime.fromisoformat(_last_used_at)




        last_used_from = d.pop("last_used_from", UNSET)

        _rate_limit = d.pop("rate_limit", UNSET)
        rate_limit: RateLimit | Unset
        if isinstance(_rate_limit,  Unset):
            rate_limit = UNSET
        else:
            rate_limit = RateLimit.from_dict(_rate_limit)




        _revoked_at = d.pop("revoked_at", UNSET)
        revoked_at: datetime.datetime | Unset
        if isinstance(_revoked_at,  Unset):
            revoked_at = UNSET
        else:
            revoked_at = datetime.datetime.fromisoformat(_revoked_at)




        tenant = d.pop("tenant", UNSET)

        list_api_key_data_item = cls(
            created_at=created_at,
            id=id,
            name=name,
            scopes=scopes,
            expires_at=expires_at,
            last_used_at=last_used_at,
            last_used_from=last_used_from,
            rate_limit=rate_limit,
            revoked_at=revoked_at,
            tenant=tenant,
        )


        list_api_key_data_item.additional_properties = d
        return list_api_key_data_item

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
