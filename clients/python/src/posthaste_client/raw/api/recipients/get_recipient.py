from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.problem import Problem
from ...models.recipient import Recipient
from typing import cast



def _get_kwargs(
    recipient: str,

) -> dict[str, Any]:
    

    

    

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/recipients/{recipient}".format(recipient=quote(str(recipient), safe=""),),
    }


    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Problem | Recipient | None:
    if response.status_code == 200:
        response_200 = Recipient.from_dict(response.json())



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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Problem | Recipient]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    recipient: str,
    *,
    client: AuthenticatedClient,

) -> Response[Any | Problem | Recipient]:
    """ Get a recipient

     Whether somebody got what was sent to them: their newest messages and how they ended, and whether
    they are suppressed, for all messages or for a
    category.
    For all of them see `GET /v1/notifications?recipient=`.

    Args:
        recipient (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | Recipient]
     """


    kwargs = _get_kwargs(
        recipient=recipient,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    recipient: str,
    *,
    client: AuthenticatedClient,

) -> Any | Problem | Recipient | None:
    """ Get a recipient

     Whether somebody got what was sent to them: their newest messages and how they ended, and whether
    they are suppressed, for all messages or for a
    category.
    For all of them see `GET /v1/notifications?recipient=`.

    Args:
        recipient (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | Recipient
     """


    return sync_detailed(
        recipient=recipient,
client=client,

    ).parsed

async def asyncio_detailed(
    recipient: str,
    *,
    client: AuthenticatedClient,

) -> Response[Any | Problem | Recipient]:
    """ Get a recipient

     Whether somebody got what was sent to them: their newest messages and how they ended, and whether
    they are suppressed, for all messages or for a
    category.
    For all of them see `GET /v1/notifications?recipient=`.

    Args:
        recipient (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | Recipient]
     """


    kwargs = _get_kwargs(
        recipient=recipient,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    recipient: str,
    *,
    client: AuthenticatedClient,

) -> Any | Problem | Recipient | None:
    """ Get a recipient

     Whether somebody got what was sent to them: their newest messages and how they ended, and whether
    they are suppressed, for all messages or for a
    category.
    For all of them see `GET /v1/notifications?recipient=`.

    Args:
        recipient (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | Recipient
     """


    return (await asyncio_detailed(
        recipient=recipient,
client=client,

    )).parsed
