from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.detail import Detail
from ...models.task_status import TaskStatus
from typing import cast
from uuid import UUID



def _get_kwargs(
    task_id: UUID,

) -> dict[str, Any]:
    

    

    

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/task_status/{task_id}".format(task_id=quote(str(task_id), safe=""),),
    }


    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Detail | TaskStatus | None:
    if response.status_code == 200:
        response_200 = TaskStatus.from_dict(response.json())



        return response_200

    if response.status_code == 401:
        response_401 = Detail.from_dict(response.json())



        return response_401

    if response.status_code == 403:
        response_403 = Detail.from_dict(response.json())



        return response_403

    if response.status_code == 404:
        response_404 = Detail.from_dict(response.json())



        return response_404

    if response.status_code == 429:
        response_429 = Detail.from_dict(response.json())



        return response_429

    if response.status_code == 500:
        response_500 = Detail.from_dict(response.json())



        return response_500

    if response.status_code == 503:
        response_503 = Detail.from_dict(response.json())



        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Detail | TaskStatus]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    task_id: UUID,
    *,
    client: AuthenticatedClient,

) -> Response[Detail | TaskStatus]:
    """ Status of a notification

     `in progress` until it is final, then `completed` with a sentence in `result` or `failed` with a
    sentence in `error`.

    Args:
        task_id (UUID): A UUID.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Detail | TaskStatus]
     """


    kwargs = _get_kwargs(
        task_id=task_id,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    task_id: UUID,
    *,
    client: AuthenticatedClient,

) -> Detail | TaskStatus | None:
    """ Status of a notification

     `in progress` until it is final, then `completed` with a sentence in `result` or `failed` with a
    sentence in `error`.

    Args:
        task_id (UUID): A UUID.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Detail | TaskStatus
     """


    return sync_detailed(
        task_id=task_id,
client=client,

    ).parsed

async def asyncio_detailed(
    task_id: UUID,
    *,
    client: AuthenticatedClient,

) -> Response[Detail | TaskStatus]:
    """ Status of a notification

     `in progress` until it is final, then `completed` with a sentence in `result` or `failed` with a
    sentence in `error`.

    Args:
        task_id (UUID): A UUID.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Detail | TaskStatus]
     """


    kwargs = _get_kwargs(
        task_id=task_id,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    task_id: UUID,
    *,
    client: AuthenticatedClient,

) -> Detail | TaskStatus | None:
    """ Status of a notification

     `in progress` until it is final, then `completed` with a sentence in `result` or `failed` with a
    sentence in `error`.

    Args:
        task_id (UUID): A UUID.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Detail | TaskStatus
     """


    return (await asyncio_detailed(
        task_id=task_id,
client=client,

    )).parsed
