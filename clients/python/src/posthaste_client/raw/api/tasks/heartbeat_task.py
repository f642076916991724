from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.heartbeat import Heartbeat
from ...models.heartbeat_request import HeartbeatRequest
from ...models.problem import Problem
from typing import cast
from uuid import UUID



def _get_kwargs(
    task_id: UUID,
    *,
    body: HeartbeatRequest,

) -> dict[str, Any]:
    headers: dict[str, Any] = {}


    

    

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/tasks/{task_id}/heartbeat".format(task_id=quote(str(task_id), safe=""),),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Heartbeat | Problem | None:
    if response.status_code == 200:
        response_200 = Heartbeat.from_dict(response.json())



        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())



        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())



        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())



        return response_403

    if response.status_code == 408:
        response_408 = Problem.from_dict(response.json())



        return response_408

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())



        return response_409

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())



        return response_413

    if response.status_code == 414:
        response_414 = cast(Any, None)
        return response_414

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())



        return response_415

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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Heartbeat | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    task_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: HeartbeatRequest,

) -> Response[Any | Heartbeat | Problem]:
    """ Extend the lease of a task

     For a task that was taken with 202: keeps it from being given to somebody else for `within_ms` more.
    The token of the lease is the authority; no key is needed.

    Args:
        task_id (UUID): A UUID.
        body (HeartbeatRequest): What is said. Example: {'lease_token':
            '00000000000000070000000000000001', 'within_ms': 60000}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Heartbeat | Problem]
     """


    kwargs = _get_kwargs(
        task_id=task_id,
body=body,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    task_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: HeartbeatRequest,

) -> Any | Heartbeat | Problem | None:
    """ Extend the lease of a task

     For a task that was taken with 202: keeps it from being given to somebody else for `within_ms` more.
    The token of the lease is the authority; no key is needed.

    Args:
        task_id (UUID): A UUID.
        body (HeartbeatRequest): What is said. Example: {'lease_token':
            '00000000000000070000000000000001', 'within_ms': 60000}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Heartbeat | Problem
     """


    return sync_detailed(
        task_id=task_id,
client=client,
body=body,

    ).parsed

async def asyncio_detailed(
    task_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: HeartbeatRequest,

) -> Response[Any | Heartbeat | Problem]:
    """ Extend the lease of a task

     For a task that was taken with 202: keeps it from being given to somebody else for `within_ms` more.
    The token of the lease is the authority; no key is needed.

    Args:
        task_id (UUID): A UUID.
        body (HeartbeatRequest): What is said. Example: {'lease_token':
            '00000000000000070000000000000001', 'within_ms': 60000}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Heartbeat | Problem]
     """


    kwargs = _get_kwargs(
        task_id=task_id,
body=body,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    task_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: HeartbeatRequest,

) -> Any | Heartbeat | Problem | None:
    """ Extend the lease of a task

     For a task that was taken with 202: keeps it from being given to somebody else for `within_ms` more.
    The token of the lease is the authority; no key is needed.

    Args:
        task_id (UUID): A UUID.
        body (HeartbeatRequest): What is said. Example: {'lease_token':
            '00000000000000070000000000000001', 'within_ms': 60000}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Heartbeat | Problem
     """


    return (await asyncio_detailed(
        task_id=task_id,
client=client,
body=body,

    )).parsed
