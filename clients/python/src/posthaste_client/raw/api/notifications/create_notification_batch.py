from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.batch_accepted import BatchAccepted
from ...models.new_notification_batch import NewNotificationBatch
from ...models.problem import Problem
from ...types import UNSET, Unset
from typing import cast



def _get_kwargs(
    *,
    body: NewNotificationBatch,
    idempotency_key: None | str | Unset = UNSET,

) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key



    

    

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/notifications/batch",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | BatchAccepted | Problem | None:
    if response.status_code == 202:
        response_202 = BatchAccepted.from_dict(response.json())



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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | BatchAccepted | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: NewNotificationBatch,
    idempotency_key: None | str | Unset = UNSET,

) -> Response[Any | BatchAccepted | Problem]:
    """ Send a batch of notifications

     Stores up to 1,000 messages, of at most 8 MiB together, at once and durable when it answers: as they
    come and, with what
    templates make of them, as they are stored. In `strict` mode one that is
    not acceptable fails all, with 422 and the first 20 errors; in `permissive` mode the good ones are
    stored and `errors`
    says what is wrong with each of the others; 422 if none is good. A repeat with the same
    `Idempotency-Key` and body answers as the first did.

    Args:
        idempotency_key (None | str | Unset):
        body (NewNotificationBatch): Several messages. Example: {'mode': 'permissive',
            'notifications': [{'message': 'Your order 1 is on its way.', 'to': 'ann@example.com'},
            {'channel': 'webhook', 'data': {'order': 1}, 'event': 'order.shipped', 'to': 'shop'}]}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | BatchAccepted | Problem]
     """


    kwargs = _get_kwargs(
        body=body,
idempotency_key=idempotency_key,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    *,
    client: AuthenticatedClient,
    body: NewNotificationBatch,
    idempotency_key: None | str | Unset = UNSET,

) -> Any | BatchAccepted | Problem | None:
    """ Send a batch of notifications

     Stores up to 1,000 messages, of at most 8 MiB together, at once and durable when it answers: as they
    come and, with what
    templates make of them, as they are stored. In `strict` mode one that is
    not acceptable fails all, with 422 and the first 20 errors; in `permissive` mode the good ones are
    stored and `errors`
    says what is wrong with each of the others; 422 if none is good. A repeat with the same
    `Idempotency-Key` and body answers as the first did.

    Args:
        idempotency_key (None | str | Unset):
        body (NewNotificationBatch): Several messages. Example: {'mode': 'permissive',
            'notifications': [{'message': 'Your order 1 is on its way.', 'to': 'ann@example.com'},
            {'channel': 'webhook', 'data': {'order': 1}, 'event': 'order.shipped', 'to': 'shop'}]}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | BatchAccepted | Problem
     """


    return sync_detailed(
        client=client,
body=body,
idempotency_key=idempotency_key,

    ).parsed

async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: NewNotificationBatch,
    idempotency_key: None | str | Unset = UNSET,

) -> Response[Any | BatchAccepted | Problem]:
    """ Send a batch of notifications

     Stores up to 1,000 messages, of at most 8 MiB together, at once and durable when it answers: as they
    come and, with what
    templates make of them, as they are stored. In `strict` mode one that is
    not acceptable fails all, with 422 and the first 20 errors; in `permissive` mode the good ones are
    stored and `errors`
    says what is wrong with each of the others; 422 if none is good. A repeat with the same
    `Idempotency-Key` and body answers as the first did.

    Args:
        idempotency_key (None | str | Unset):
        body (NewNotificationBatch): Several messages. Example: {'mode': 'permissive',
            'notifications': [{'message': 'Your order 1 is on its way.', 'to': 'ann@example.com'},
            {'channel': 'webhook', 'data': {'order': 1}, 'event': 'order.shipped', 'to': 'shop'}]}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | BatchAccepted | Problem]
     """


    kwargs = _get_kwargs(
        body=body,
idempotency_key=idempotency_key,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    *,
    client: AuthenticatedClient,
    body: NewNotificationBatch,
    idempotency_key: None | str | Unset = UNSET,

) -> Any | BatchAccepted | Problem | None:
    """ Send a batch of notifications

     Stores up to 1,000 messages, of at most 8 MiB together, at once and durable when it answers: as they
    come and, with what
    templates make of them, as they are stored. In `strict` mode one that is
    not acceptable fails all, with 422 and the first 20 errors; in `permissive` mode the good ones are
    stored and `errors`
    says what is wrong with each of the others; 422 if none is good. A repeat with the same
    `Idempotency-Key` and body answers as the first did.

    Args:
        idempotency_key (None | str | Unset):
        body (NewNotificationBatch): Several messages. Example: {'mode': 'permissive',
            'notifications': [{'message': 'Your order 1 is on its way.', 'to': 'ann@example.com'},
            {'channel': 'webhook', 'data': {'order': 1}, 'event': 'order.shipped', 'to': 'shop'}]}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | BatchAccepted | Problem
     """


    return (await asyncio_detailed(
        client=client,
body=body,
idempotency_key=idempotency_key,

    )).parsed
