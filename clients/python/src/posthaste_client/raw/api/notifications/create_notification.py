from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.enqueued import Enqueued
from ...models.notification_request import NotificationRequest
from ...models.problem import Problem
from ...types import UNSET, Unset
from typing import cast



def _get_kwargs(
    *,
    body: NotificationRequest,
    idempotency_key: None | str | Unset = UNSET,

) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key



    

    

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/notifications",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Enqueued | Problem | None:
    if response.status_code == 200:
        response_200 = Enqueued.from_dict(response.json())



        return response_200

    if response.status_code == 202:
        response_202 = Enqueued.from_dict(response.json())



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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Enqueued | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: NotificationRequest,
    idempotency_key: None | str | Unset = UNSET,

) -> Response[Any | Enqueued | Problem]:
    """ Send a notification

     Stores a message to one recipient; durable when it answers 202. `to` may be a list of up to 1,000:
    then each recipient
    gets a message of their own, stored together as a batch, and the answer is that of
    `/v1/notifications/batch`; one that
    is named twice gets one, and its second place says `duplicate`. The messages of a list are at most 8
    MiB together, as they
    are stored: each with its texts and the files within it. A template is filled in before anything is
    stored. With an
    `Idempotency-Key` a repeat within 24 hours answers as the first request did, with `Idempotency-
    Replayed: true`; the same
    key with another body answers 422.

    Args:
        idempotency_key (None | str | Unset):
        body (NotificationRequest): Several recipients of one message, beside its other fields.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Enqueued | Problem]
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
    body: NotificationRequest,
    idempotency_key: None | str | Unset = UNSET,

) -> Any | Enqueued | Problem | None:
    """ Send a notification

     Stores a message to one recipient; durable when it answers 202. `to` may be a list of up to 1,000:
    then each recipient
    gets a message of their own, stored together as a batch, and the answer is that of
    `/v1/notifications/batch`; one that
    is named twice gets one, and its second place says `duplicate`. The messages of a list are at most 8
    MiB together, as they
    are stored: each with its texts and the files within it. A template is filled in before anything is
    stored. With an
    `Idempotency-Key` a repeat within 24 hours answers as the first request did, with `Idempotency-
    Replayed: true`; the same
    key with another body answers 422.

    Args:
        idempotency_key (None | str | Unset):
        body (NotificationRequest): Several recipients of one message, beside its other fields.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Enqueued | Problem
     """


    return sync_detailed(
        client=client,
body=body,
idempotency_key=idempotency_key,

    ).parsed

async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: NotificationRequest,
    idempotency_key: None | str | Unset = UNSET,

) -> Response[Any | Enqueued | Problem]:
    """ Send a notification

     Stores a message to one recipient; durable when it answers 202. `to` may be a list of up to 1,000:
    then each recipient
    gets a message of their own, stored together as a batch, and the answer is that of
    `/v1/notifications/batch`; one that
    is named twice gets one, and its second place says `duplicate`. The messages of a list are at most 8
    MiB together, as they
    are stored: each with its texts and the files within it. A template is filled in before anything is
    stored. With an
    `Idempotency-Key` a repeat within 24 hours answers as the first request did, with `Idempotency-
    Replayed: true`; the same
    key with another body answers 422.

    Args:
        idempotency_key (None | str | Unset):
        body (NotificationRequest): Several recipients of one message, beside its other fields.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Enqueued | Problem]
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
    body: NotificationRequest,
    idempotency_key: None | str | Unset = UNSET,

) -> Any | Enqueued | Problem | None:
    """ Send a notification

     Stores a message to one recipient; durable when it answers 202. `to` may be a list of up to 1,000:
    then each recipient
    gets a message of their own, stored together as a batch, and the answer is that of
    `/v1/notifications/batch`; one that
    is named twice gets one, and its second place says `duplicate`. The messages of a list are at most 8
    MiB together, as they
    are stored: each with its texts and the files within it. A template is filled in before anything is
    stored. With an
    `Idempotency-Key` a repeat within 24 hours answers as the first request did, with `Idempotency-
    Replayed: true`; the same
    key with another body answers 422.

    Args:
        idempotency_key (None | str | Unset):
        body (NotificationRequest): Several recipients of one message, beside its other fields.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Enqueued | Problem
     """


    return (await asyncio_detailed(
        client=client,
body=body,
idempotency_key=idempotency_key,

    )).parsed
