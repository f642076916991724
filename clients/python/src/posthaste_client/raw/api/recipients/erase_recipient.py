from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.operation import Operation
from ...models.problem import Problem
from ...types import UNSET, Unset
from typing import cast



def _get_kwargs(
    recipient: str,
    *,
    dry_run: bool | Unset = UNSET,

) -> dict[str, Any]:
    

    

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run


    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}


    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/v1/recipients/{recipient}".format(recipient=quote(str(recipient), safe=""),),
        "params": params,
    }


    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Operation | Problem | None:
    if response.status_code == 200:
        response_200 = Operation.from_dict(response.json())



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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Operation | Problem]:
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
    dry_run: bool | Unset = UNSET,

) -> Response[Any | Operation | Problem]:
    """ Erase a recipient

     Cancels what waits for them and removes every task for them with its message, result, log and held
    message: an
    operation as those of `/v1/tasks/bulk`, to be resumed until it is done. Tasks that run are asked to
    stop and are
    erased by a later call. Suppressions stay: they are what keeps the recipient from being written to
    again; delete them
    by themselves.

    Args:
        recipient (str):
        dry_run (bool | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Operation | Problem]
     """


    kwargs = _get_kwargs(
        recipient=recipient,
dry_run=dry_run,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    recipient: str,
    *,
    client: AuthenticatedClient,
    dry_run: bool | Unset = UNSET,

) -> Any | Operation | Problem | None:
    """ Erase a recipient

     Cancels what waits for them and removes every task for them with its message, result, log and held
    message: an
    operation as those of `/v1/tasks/bulk`, to be resumed until it is done. Tasks that run are asked to
    stop and are
    erased by a later call. Suppressions stay: they are what keeps the recipient from being written to
    again; delete them
    by themselves.

    Args:
        recipient (str):
        dry_run (bool | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Operation | Problem
     """


    return sync_detailed(
        recipient=recipient,
client=client,
dry_run=dry_run,

    ).parsed

async def asyncio_detailed(
    recipient: str,
    *,
    client: AuthenticatedClient,
    dry_run: bool | Unset = UNSET,

) -> Response[Any | Operation | Problem]:
    """ Erase a recipient

     Cancels what waits for them and removes every task for them with its message, result, log and held
    message: an
    operation as those of `/v1/tasks/bulk`, to be resumed until it is done. Tasks that run are asked to
    stop and are
    erased by a later call. Suppressions stay: they are what keeps the recipient from being written to
    again; delete them
    by themselves.

    Args:
        recipient (str):
        dry_run (bool | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Operation | Problem]
     """


    kwargs = _get_kwargs(
        recipient=recipient,
dry_run=dry_run,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    recipient: str,
    *,
    client: AuthenticatedClient,
    dry_run: bool | Unset = UNSET,

) -> Any | Operation | Problem | None:
    """ Erase a recipient

     Cancels what waits for them and removes every task for them with its message, result, log and held
    message: an
    operation as those of `/v1/tasks/bulk`, to be resumed until it is done. Tasks that run are asked to
    stop and are
    erased by a later call. Suppressions stay: they are what keeps the recipient from being written to
    again; delete them
    by themselves.

    Args:
        recipient (str):
        dry_run (bool | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Operation | Problem
     """


    return (await asyncio_detailed(
        recipient=recipient,
client=client,
dry_run=dry_run,

    )).parsed
