from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.problem import Problem
from ...models.retried import Retried
from ...models.retry_request import RetryRequest
from ...types import UNSET, Unset
from typing import cast
from uuid import UUID



def _get_kwargs(
    task_id: UUID,
    *,
    body: None | RetryRequest | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key



    

    

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/tasks/{task_id}/retry".format(task_id=quote(str(task_id), safe=""),),
    }

    
    if isinstance(body, RetryRequest):
        _kwargs["json"] = body.to_dict()
    else:
        _kwargs["json"] = body

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Problem | Retried | None:
    if response.status_code == 202:
        response_202 = Retried.from_dict(response.json())



        return response_202

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())



        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())



        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())



        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())



        return response_404

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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Problem | Retried]:
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
    body: None | RetryRequest | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> Response[Any | Problem | Retried]:
    """ Retry a task

     Starts a new generation: counters from zero, history kept, due now. Only failed, cancelled and
    expired tasks can be retried; 409 otherwise, and while another task holds its unique key.

    Args:
        task_id (UUID): A UUID.
        idempotency_key (None | str | Unset):
        body (None | RetryRequest | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | Retried]
     """


    kwargs = _get_kwargs(
        task_id=task_id,
body=body,
idempotency_key=idempotency_key,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    task_id: UUID,
    *,
    client: AuthenticatedClient,
    body: None | RetryRequest | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> Any | Problem | Retried | None:
    """ Retry a task

     Starts a new generation: counters from zero, history kept, due now. Only failed, cancelled and
    expired tasks can be retried; 409 otherwise, and while another task holds its unique key.

    Args:
        task_id (UUID): A UUID.
        idempotency_key (None | str | Unset):
        body (None | RetryRequest | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | Retried
     """


    return sync_detailed(
        task_id=task_id,
client=client,
body=body,
idempotency_key=idempotency_key,

    ).parsed

async def asyncio_detailed(
    task_id: UUID,
    *,
    client: AuthenticatedClient,
    body: None | RetryRequest | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> Response[Any | Problem | Retried]:
    """ Retry a task

     Starts a new generation: counters from zero, history kept, due now. Only failed, cancelled and
    expired tasks can be retried; 409 otherwise, and while another task holds its unique key.

    Args:
        task_id (UUID): A UUID.
        idempotency_key (None | str | Unset):
        body (None | RetryRequest | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | Retried]
     """


    kwargs = _get_kwargs(
        task_id=task_id,
body=body,
idempotency_key=idempotency_key,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    task_id: UUID,
    *,
    client: AuthenticatedClient,
    body: None | RetryRequest | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> Any | Problem | Retried | None:
    """ Retry a task

     Starts a new generation: counters from zero, history kept, due now. Only failed, cancelled and
    expired tasks can be retried; 409 otherwise, and while another task holds its unique key.

    Args:
        task_id (UUID): A UUID.
        idempotency_key (None | str | Unset):
        body (None | RetryRequest | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | Retried
     """


    return (await asyncio_detailed(
        task_id=task_id,
client=client,
body=body,
idempotency_key=idempotency_key,

    )).parsed
