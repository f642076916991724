from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.problem import Problem
from ...models.rotation import Rotation
from ...models.signing_secret import SigningSecret
from ...types import UNSET, Unset
from typing import cast



def _get_kwargs(
    *,
    body: None | Rotation | Unset = UNSET,

) -> dict[str, Any]:
    headers: dict[str, Any] = {}


    

    

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/signing-secret/rotate",
    }

    
    if isinstance(body, Rotation):
        _kwargs["json"] = body.to_dict()
    else:
        _kwargs["json"] = body

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Problem | SigningSecret | None:
    if response.status_code == 200:
        response_200 = SigningSecret.from_dict(response.json())



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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Problem | SigningSecret]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: None | Rotation | Unset = UNSET,

) -> Response[Any | Problem | SigningSecret]:
    """ Rotate the signing secret

     Both secrets sign, so that receivers can change to the new one at leisure; after the overlap the new
    one alone does.
    Workers learn of it within a minute: until then, what they send is signed with the old one alone.
    Links to unsubscribe
    that were sent before go on working. 404 where it is set by `POSTHASTE_SIGNING_SECRET`.

    Args:
        body (None | Rotation | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | SigningSecret]
     """


    kwargs = _get_kwargs(
        body=body,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    *,
    client: AuthenticatedClient,
    body: None | Rotation | Unset = UNSET,

) -> Any | Problem | SigningSecret | None:
    """ Rotate the signing secret

     Both secrets sign, so that receivers can change to the new one at leisure; after the overlap the new
    one alone does.
    Workers learn of it within a minute: until then, what they send is signed with the old one alone.
    Links to unsubscribe
    that were sent before go on working. 404 where it is set by `POSTHASTE_SIGNING_SECRET`.

    Args:
        body (None | Rotation | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | SigningSecret
     """


    return sync_detailed(
        client=client,
body=body,

    ).parsed

async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: None | Rotation | Unset = UNSET,

) -> Response[Any | Problem | SigningSecret]:
    """ Rotate the signing secret

     Both secrets sign, so that receivers can change to the new one at leisure; after the overlap the new
    one alone does.
    Workers learn of it within a minute: until then, what they send is signed with the old one alone.
    Links to unsubscribe
    that were sent before go on working. 404 where it is set by `POSTHASTE_SIGNING_SECRET`.

    Args:
        body (None | Rotation | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | SigningSecret]
     """


    kwargs = _get_kwargs(
        body=body,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    *,
    client: AuthenticatedClient,
    body: None | Rotation | Unset = UNSET,

) -> Any | Problem | SigningSecret | None:
    """ Rotate the signing secret

     Both secrets sign, so that receivers can change to the new one at leisure; after the overlap the new
    one alone does.
    Workers learn of it within a minute: until then, what they send is signed with the old one alone.
    Links to unsubscribe
    that were sent before go on working. 404 where it is set by `POSTHASTE_SIGNING_SECRET`.

    Args:
        body (None | Rotation | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | SigningSecret
     """


    return (await asyncio_detailed(
        client=client,
body=body,

    )).parsed
