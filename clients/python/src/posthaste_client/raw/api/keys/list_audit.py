from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.audit_page import AuditPage
from ...models.problem import Problem
from ...types import UNSET, Unset
from typing import cast
import datetime



def _get_kwargs(
    *,
    action: str | Unset = UNSET,
    actor: str | Unset = UNSET,
    target: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> dict[str, Any]:
    

    

    params: dict[str, Any] = {}

    params["action"] = action

    params["actor"] = actor

    params["target"] = target

    json_since: str | Unset = UNSET
    if not isinstance(since, Unset):
        json_since = since.isoformat()
    params["since"] = json_since

    json_until: str | Unset = UNSET
    if not isinstance(until, Unset):
        json_until = until.isoformat()
    params["until"] = json_until

    params["limit"] = limit

    params["cursor"] = cursor


    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}


    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/audit",
        "params": params,
    }


    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | AuditPage | Problem | None:
    if response.status_code == 200:
        response_200 = AuditPage.from_dict(response.json())



        return response_200

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())



        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())



        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())



        return response_404

    if response.status_code == 414:
        response_414 = cast(Any, None)
        return response_414

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())



        return response_422

    if response.status_code == 429:
        response_429 = Problem.from_dict(response.json())



        return response_429

    if response.status_code == 431:
        response_431 = cast(Any, None)
        return response_431

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())



        return response_500

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())



        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | AuditPage | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    action: str | Unset = UNSET,
    actor: str | Unset = UNSET,
    target: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> Response[Any | AuditPage | Problem]:
    """ Read the audit log

     Who changed what, newest first, and who was not let in (`auth.refused`, at most ten a minute of
    each process). Kept for 90 days, at most 100,000 lines. A page may be shorter than `limit`, even
    empty, although more follows: go on while there is a `next_cursor`.

    Args:
        action (str | Unset):
        actor (str | Unset):
        target (str | Unset):
        since (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        limit (int | Unset):
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | AuditPage | Problem]
     """


    kwargs = _get_kwargs(
        action=action,
actor=actor,
target=target,
since=since,
until=until,
limit=limit,
cursor=cursor,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    *,
    client: AuthenticatedClient,
    action: str | Unset = UNSET,
    actor: str | Unset = UNSET,
    target: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> Any | AuditPage | Problem | None:
    """ Read the audit log

     Who changed what, newest first, and who was not let in (`auth.refused`, at most ten a minute of
    each process). Kept for 90 days, at most 100,000 lines. A page may be shorter than `limit`, even
    empty, although more follows: go on while there is a `next_cursor`.

    Args:
        action (str | Unset):
        actor (str | Unset):
        target (str | Unset):
        since (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        limit (int | Unset):
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | AuditPage | Problem
     """


    return sync_detailed(
        client=client,
action=action,
actor=actor,
target=target,
since=since,
until=until,
limit=limit,
cursor=cursor,

    ).parsed

async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    action: str | Unset = UNSET,
    actor: str | Unset = UNSET,
    target: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> Response[Any | AuditPage | Problem]:
    """ Read the audit log

     Who changed what, newest first, and who was not let in (`auth.refused`, at most ten a minute of
    each process). Kept for 90 days, at most 100,000 lines. A page may be shorter than `limit`, even
    empty, although more follows: go on while there is a `next_cursor`.

    Args:
        action (str | Unset):
        actor (str | Unset):
        target (str | Unset):
        since (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        limit (int | Unset):
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | AuditPage | Problem]
     """


    kwargs = _get_kwargs(
        action=action,
actor=actor,
target=target,
since=since,
until=until,
limit=limit,
cursor=cursor,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    *,
    client: AuthenticatedClient,
    action: str | Unset = UNSET,
    actor: str | Unset = UNSET,
    target: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> Any | AuditPage | Problem | None:
    """ Read the audit log

     Who changed what, newest first, and who was not let in (`auth.refused`, at most ten a minute of
    each process). Kept for 90 days, at most 100,000 lines. A page may be shorter than `limit`, even
    empty, although more follows: go on while there is a `next_cursor`.

    Args:
        action (str | Unset):
        actor (str | Unset):
        target (str | Unset):
        since (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        limit (int | Unset):
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | AuditPage | Problem
     """


    return (await asyncio_detailed(
        client=client,
action=action,
actor=actor,
target=target,
since=since,
until=until,
limit=limit,
cursor=cursor,

    )).parsed
