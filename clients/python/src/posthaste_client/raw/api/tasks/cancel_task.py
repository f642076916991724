from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.cancelled import Cancelled
from ...models.problem import Problem
from typing import cast
from uuid import UUID



def _get_kwargs(
    task_id: UUID,

) -> dict[str, Any]:
    

    

    

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/tasks/{task_id}/cancel".format(task_id=quote(str(task_id), safe=""),),
    }


    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Cancelled | Problem | None:
    if response.status_code == 200:
        response_200 = Cancelled.from_dict(response.json())



        return response_200

    if response.status_code == 202:
        response_202 = Cancelled.from_dict(response.json())



        return response_202

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())



        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())



        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())



        return response_404

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())



        return response_409

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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Cancelled | Problem]:
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

) -> Response[Any | Cancelled | Problem]:
    """ Cancel a task

     A waiting task is cancelled at once (200). A running one is told within a second (202); if its
    handler succeeds all the same, that stands, else it ends cancelled. Cancelling twice answers as
    the first time; a task that ended otherwise answers 409.

    Args:
        task_id (UUID): A UUID.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Cancelled | Problem]
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

) -> Any | Cancelled | Problem | None:
    """ Cancel a task

     A waiting task is cancelled at once (200). A running one is told within a second (202); if its
    handler succeeds all the same, that stands, else it ends cancelled. Cancelling twice answers as
    the first time; a task that ended otherwise answers 409.

    Args:
        task_id (UUID): A UUID.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Cancelled | Problem
     """


    return sync_detailed(
        task_id=task_id,
client=client,

    ).parsed

async def asyncio_detailed(
    task_id: UUID,
    *,
    client: AuthenticatedClient,

) -> Response[Any | Cancelled | Problem]:
    """ Cancel a task

     A waiting task is cancelled at once (200). A running one is told within a second (202); if its
    handler succeeds all the same, that stands, else it ends cancelled. Cancelling twice answers as
    the first time; a task that ended otherwise answers 409.

    Args:
        task_id (UUID): A UUID.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Cancelled | Problem]
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

) -> Any | Cancelled | Problem | None:
    """ Cancel a task

     A waiting task is cancelled at once (200). A running one is told within a second (202); if its
    handler succeeds all the same, that stands, else it ends cancelled. Cancelling twice answers as
    the first time; a task that ended otherwise answers 409.

    Args:
        task_id (UUID): A UUID.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Cancelled | Problem
     """


    return (await asyncio_detailed(
        task_id=task_id,
client=client,

    )).parsed
