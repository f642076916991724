from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.detail import Detail
from ...models.notify_accepted import NotifyAccepted
from ...models.validation_detail import ValidationDetail
from ...types import UNSET, Unset
from typing import cast



def _get_kwargs(
    *,
    email: str,
    message: str | Unset = UNSET,
    subject: str | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key



    

    params: dict[str, Any] = {}

    params["email"] = email

    params["message"] = message

    params["subject"] = subject


    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}


    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/notify/",
        "params": params,
    }


    _kwargs["headers"] = headers
    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Detail | NotifyAccepted | ValidationDetail | None:
    if response.status_code == 200:
        response_200 = NotifyAccepted.from_dict(response.json())



        return response_200

    if response.status_code == 401:
        response_401 = Detail.from_dict(response.json())



        return response_401

    if response.status_code == 403:
        response_403 = Detail.from_dict(response.json())



        return response_403

    if response.status_code == 408:
        response_408 = Detail.from_dict(response.json())



        return response_408

    if response.status_code == 413:
        response_413 = Detail.from_dict(response.json())



        return response_413

    if response.status_code == 414:
        response_414 = cast(Any, None)
        return response_414

    if response.status_code == 422:
        response_422 = ValidationDetail.from_dict(response.json())



        return response_422

    if response.status_code == 429:
        response_429 = Detail.from_dict(response.json())



        return response_429

    if response.status_code == 431:
        response_431 = cast(Any, None)
        return response_431

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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Detail | NotifyAccepted | ValidationDetail]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    email: str,
    message: str | Unset = UNSET,
    subject: str | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> Response[Any | Detail | NotifyAccepted | ValidationDetail]:
    """ Send a notification

     Stores an e-mail to be sent and answers at once; `/task_status/{task_id}` says what became of
    it. The fields may also come as a JSON body or a form, and query and body may be mixed (the query
    wins). Unknown fields are ignored. With no e-mail provider configured the message is held in the
    sandbox.

    Args:
        email (str):
        message (str | Unset):
        subject (str | Unset):
        idempotency_key (None | str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Detail | NotifyAccepted | ValidationDetail]
     """


    kwargs = _get_kwargs(
        email=email,
message=message,
subject=subject,
idempotency_key=idempotency_key,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    *,
    client: AuthenticatedClient,
    email: str,
    message: str | Unset = UNSET,
    subject: str | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> Any | Detail | NotifyAccepted | ValidationDetail | None:
    """ Send a notification

     Stores an e-mail to be sent and answers at once; `/task_status/{task_id}` says what became of
    it. The fields may also come as a JSON body or a form, and query and body may be mixed (the query
    wins). Unknown fields are ignored. With no e-mail provider configured the message is held in the
    sandbox.

    Args:
        email (str):
        message (str | Unset):
        subject (str | Unset):
        idempotency_key (None | str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Detail | NotifyAccepted | ValidationDetail
     """


    return sync_detailed(
        client=client,
email=email,
message=message,
subject=subject,
idempotency_key=idempotency_key,

    ).parsed

async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    email: str,
    message: str | Unset = UNSET,
    subject: str | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> Response[Any | Detail | NotifyAccepted | ValidationDetail]:
    """ Send a notification

     Stores an e-mail to be sent and answers at once; `/task_status/{task_id}` says what became of
    it. The fields may also come as a JSON body or a form, and query and body may be mixed (the query
    wins). Unknown fields are ignored. With no e-mail provider configured the message is held in the
    sandbox.

    Args:
        email (str):
        message (str | Unset):
        subject (str | Unset):
        idempotency_key (None | str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Detail | NotifyAccepted | ValidationDetail]
     """


    kwargs = _get_kwargs(
        email=email,
message=message,
subject=subject,
idempotency_key=idempotency_key,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    *,
    client: AuthenticatedClient,
    email: str,
    message: str | Unset = UNSET,
    subject: str | Unset = UNSET,
    idempotency_key: None | str | Unset = UNSET,

) -> Any | Detail | NotifyAccepted | ValidationDetail | None:
    """ Send a notification

     Stores an e-mail to be sent and answers at once; `/task_status/{task_id}` says what became of
    it. The fields may also come as a JSON body or a form, and query and body may be mixed (the query
    wins). Unknown fields are ignored. With no e-mail provider configured the message is held in the
    sandbox.

    Args:
        email (str):
        message (str | Unset):
        subject (str | Unset):
        idempotency_key (None | str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Detail | NotifyAccepted | ValidationDetail
     """


    return (await asyncio_detailed(
        client=client,
email=email,
message=message,
subject=subject,
idempotency_key=idempotency_key,

    )).parsed
