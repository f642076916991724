from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.problem import Problem
from ...models.stats import Stats
from ...types import UNSET, Unset
from typing import cast
import datetime



def _get_kwargs(
    *,
    from_: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    step: int | Unset = UNSET,
    queue: str | Unset = UNSET,

) -> dict[str, Any]:
    

    

    params: dict[str, Any] = {}

    json_from_: str | Unset = UNSET
    if not isinstance(from_, Unset):
        json_from_ = from_.isoformat()
    params["from"] = json_from_

    json_until: str | Unset = UNSET
    if not isinstance(until, Unset):
        json_until = until.isoformat()
    params["until"] = json_until

    params["step"] = step

    params["queue"] = queue


    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}


    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/stats",
        "params": params,
    }


    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Problem | Stats | None:
    if response.status_code == 200:
        response_200 = Stats.from_dict(response.json())



        return response_200

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())



        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())



        return response_403

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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Problem | Stats]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    from_: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    step: int | Unset = UNSET,
    queue: str | Unset = UNSET,

) -> Response[Any | Problem | Stats]:
    """ Get statistics

     How many tasks were accepted, succeeded, failed and so on, and how long attempts waited and took:
    the last hour in steps
    of a minute unless asked otherwise. Kept for 30 days.

    Args:
        from_ (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        step (int | Unset):
        queue (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | Stats]
     """


    kwargs = _get_kwargs(
        from_=from_,
until=until,
step=step,
queue=queue,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    *,
    client: AuthenticatedClient,
    from_: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    step: int | Unset = UNSET,
    queue: str | Unset = UNSET,

) -> Any | Problem | Stats | None:
    """ Get statistics

     How many tasks were accepted, succeeded, failed and so on, and how long attempts waited and took:
    the last hour in steps
    of a minute unless asked otherwise. Kept for 30 days.

    Args:
        from_ (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        step (int | Unset):
        queue (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | Stats
     """


    return sync_detailed(
        client=client,
from_=from_,
until=until,
step=step,
queue=queue,

    ).parsed

async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    from_: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    step: int | Unset = UNSET,
    queue: str | Unset = UNSET,

) -> Response[Any | Problem | Stats]:
    """ Get statistics

     How many tasks were accepted, succeeded, failed and so on, and how long attempts waited and took:
    the last hour in steps
    of a minute unless asked otherwise. Kept for 30 days.

    Args:
        from_ (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        step (int | Unset):
        queue (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | Stats]
     """


    kwargs = _get_kwargs(
        from_=from_,
until=until,
step=step,
queue=queue,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    *,
    client: AuthenticatedClient,
    from_: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    step: int | Unset = UNSET,
    queue: str | Unset = UNSET,

) -> Any | Problem | Stats | None:
    """ Get statistics

     How many tasks were accepted, succeeded, failed and so on, and how long attempts waited and took:
    the last hour in steps
    of a minute unless asked otherwise. Kept for 30 days.

    Args:
        from_ (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        until (datetime.datetime | Unset): A time, RFC 3339 in UTC.
        step (int | Unset):
        queue (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | Stats
     """


    return (await asyncio_detailed(
        client=client,
from_=from_,
until=until,
step=step,
queue=queue,

    )).parsed
