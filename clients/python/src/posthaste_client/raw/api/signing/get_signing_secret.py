from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.problem import Problem
from ...models.signing_secret import SigningSecret
from ...types import UNSET, Unset
from typing import cast



def _get_kwargs(
    *,
    tenant: str | Unset = UNSET,

) -> dict[str, Any]:
    

    

    params: dict[str, Any] = {}

    params["tenant"] = tenant


    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}


    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/signing-secret",
        "params": params,
    }


    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Problem | SigningSecret | None:
    if response.status_code == 200:
        response_200 = SigningSecret.from_dict(response.json())



        return response_200

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())



        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())



        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())



        return response_404

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
    tenant: str | Unset = UNSET,

) -> Response[Any | Problem | SigningSecret]:
    """ Show the signing secret

     The newest secret that tasks of kind `http`, callbacks and webhooks to plain URLs are signed with:
    whoever receives them
    checks their signatures with it. That it was shown is written to the audit log. 404 where it is set
    by
    `POSTHASTE_SIGNING_SECRET`: then it is read, and changed, there. Tasks with a tenant are signed with
    a secret of that tenant's,
    which `tenant` asks for: give it to that customer alone.

    Args:
        tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | SigningSecret]
     """


    kwargs = _get_kwargs(
        tenant=tenant,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    *,
    client: AuthenticatedClient,
    tenant: str | Unset = UNSET,

) -> Any | Problem | SigningSecret | None:
    """ Show the signing secret

     The newest secret that tasks of kind `http`, callbacks and webhooks to plain URLs are signed with:
    whoever receives them
    checks their signatures with it. That it was shown is written to the audit log. 404 where it is set
    by
    `POSTHASTE_SIGNING_SECRET`: then it is read, and changed, there. Tasks with a tenant are signed with
    a secret of that tenant's,
    which `tenant` asks for: give it to that customer alone.

    Args:
        tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | SigningSecret
     """


    return sync_detailed(
        client=client,
tenant=tenant,

    ).parsed

async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    tenant: str | Unset = UNSET,

) -> Response[Any | Problem | SigningSecret]:
    """ Show the signing secret

     The newest secret that tasks of kind `http`, callbacks and webhooks to plain URLs are signed with:
    whoever receives them
    checks their signatures with it. That it was shown is written to the audit log. 404 where it is set
    by
    `POSTHASTE_SIGNING_SECRET`: then it is read, and changed, there. Tasks with a tenant are signed with
    a secret of that tenant's,
    which `tenant` asks for: give it to that customer alone.

    Args:
        tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | SigningSecret]
     """


    kwargs = _get_kwargs(
        tenant=tenant,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    *,
    client: AuthenticatedClient,
    tenant: str | Unset = UNSET,

) -> Any | Problem | SigningSecret | None:
    """ Show the signing secret

     The newest secret that tasks of kind `http`, callbacks and webhooks to plain URLs are signed with:
    whoever receives them
    checks their signatures with it. That it was shown is written to the audit log. 404 where it is set
    by
    `POSTHASTE_SIGNING_SECRET`: then it is read, and changed, there. Tasks with a tenant are signed with
    a secret of that tenant's,
    which `tenant` asks for: give it to that customer alone.

    Args:
        tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | SigningSecret
     """


    return (await asyncio_detailed(
        client=client,
tenant=tenant,

    )).parsed
