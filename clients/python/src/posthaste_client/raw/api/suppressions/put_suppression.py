from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.new_suppression import NewSuppression
from ...models.problem import Problem
from ...models.suppression import Suppression
from ...types import UNSET, Unset
from typing import cast



def _get_kwargs(
    recipient: str,
    *,
    body: NewSuppression | None | Unset = UNSET,

) -> dict[str, Any]:
    headers: dict[str, Any] = {}


    

    

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/v1/suppressions/{recipient}".format(recipient=quote(str(recipient), safe=""),),
    }

    
    if isinstance(body, NewSuppression):
        _kwargs["json"] = body.to_dict()
    else:
        _kwargs["json"] = body

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Problem | Suppression | None:
    if response.status_code == 200:
        response_200 = Suppression.from_dict(response.json())



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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Problem | Suppression]:
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
    body: NewSuppression | None | Unset = UNSET,

) -> Response[Any | Problem | Suppression]:
    """ Put a suppression

     The recipient (an e-mail address, or `channel:recipient`) is not written to any more, or gets no
    messages of a category
    any more: named by the body, or by the path as the list names it, `news%2Fann@example.com`. An
    address that itself looks
    like that is named with its channel: `email:news%2Fann@example.com`.

    Args:
        recipient (str):
        body (NewSuppression | None | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | Suppression]
     """


    kwargs = _get_kwargs(
        recipient=recipient,
body=body,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    recipient: str,
    *,
    client: AuthenticatedClient,
    body: NewSuppression | None | Unset = UNSET,

) -> Any | Problem | Suppression | None:
    """ Put a suppression

     The recipient (an e-mail address, or `channel:recipient`) is not written to any more, or gets no
    messages of a category
    any more: named by the body, or by the path as the list names it, `news%2Fann@example.com`. An
    address that itself looks
    like that is named with its channel: `email:news%2Fann@example.com`.

    Args:
        recipient (str):
        body (NewSuppression | None | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | Suppression
     """


    return sync_detailed(
        recipient=recipient,
client=client,
body=body,

    ).parsed

async def asyncio_detailed(
    recipient: str,
    *,
    client: AuthenticatedClient,
    body: NewSuppression | None | Unset = UNSET,

) -> Response[Any | Problem | Suppression]:
    """ Put a suppression

     The recipient (an e-mail address, or `channel:recipient`) is not written to any more, or gets no
    messages of a category
    any more: named by the body, or by the path as the list names it, `news%2Fann@example.com`. An
    address that itself looks
    like that is named with its channel: `email:news%2Fann@example.com`.

    Args:
        recipient (str):
        body (NewSuppression | None | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | Suppression]
     """


    kwargs = _get_kwargs(
        recipient=recipient,
body=body,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    recipient: str,
    *,
    client: AuthenticatedClient,
    body: NewSuppression | None | Unset = UNSET,

) -> Any | Problem | Suppression | None:
    """ Put a suppression

     The recipient (an e-mail address, or `channel:recipient`) is not written to any more, or gets no
    messages of a category
    any more: named by the body, or by the path as the list names it, `news%2Fann@example.com`. An
    address that itself looks
    like that is named with its channel: `email:news%2Fann@example.com`.

    Args:
        recipient (str):
        body (NewSuppression | None | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | Suppression
     """


    return (await asyncio_detailed(
        recipient=recipient,
client=client,
body=body,

    )).parsed
