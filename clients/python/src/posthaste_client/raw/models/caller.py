from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.key_scope import KeyScope
from ..types import UNSET, Unset
from typing import cast






T = TypeVar("T", bound="Caller")



@_attrs_define
class Caller:
    """ Who is asking.

        Example:
            {'key_id': 'k7Qm2XvB0aZt', 'name': 'shop backend', 'scopes': ['send', 'read'], 'tenant': 'acme', 'via': 'key'}

        Attributes:
            name (str): The key's name; `local` for a caller on this machine while there are no keys, `anybody`
                while authentication is off.
            scopes (list[KeyScope]): What it may do; `admin` includes the others.
            via (str): How it said who it is: `nothing`, `key` or `session`.
            key_id (str | Unset): The key's id; left out where no key was needed.
            tenant (str | Unset): Whose tasks it sees and makes; left out for the whole installation.
     """

    name: str
    scopes: list[KeyScope]
    via: str
    key_id: str | Unset = UNSET
    tenant: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)





    def to_dict(self) -> dict[str, Any]:
        name = self.name

        scopes = []
        for scopes_item_data in self.scopes:
            scopes_item = scopes_item_data.value
            scopes.append(scopes_item)



        via = self.via

        key_id = self.key_id

        tenant = self.tenant


        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({
            "name": name,
            "scopes": scopes,
            "via": via,
        })
        if key_id is not UNSET:
            field_dict["key_id"] = key_id
        if tenant is not UNSET:
            field_dict["tenant"] = tenant

        return field_dict



    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        scopes = []
        _scopes = d.pop("scopes")
        for scopes_item_data in (_scopes):
            scopes_item = KeyScope(scopes_item_data)



            scopes.append(scopes_item)


        via = d.pop("via")

        key_id = d.pop("key_id", UNSET)

        tenant = d.pop("tenant", UNSET)

        caller = cls(
            name=name,
            scopes=scopes,
            via=via,
            key_id=key_id,
            tenant=tenant,
        )


        caller.additional_properties = d
        return caller

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
