from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.problem import Problem
from ...models.uploaded_attachment import UploadedAttachment
from ...types import File, FileTypes
from io import BytesIO
from typing import cast



def _get_kwargs(
    *,
    body: File,
    filename: str,

) -> dict[str, Any]:
    headers: dict[str, Any] = {}


    

    params: dict[str, Any] = {}

    params["filename"] = filename


    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}


    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/attachments",
        "params": params,
    }

    _kwargs["content"] = body.payload
    headers["Content-Type"] = "application/octet-stream"

    _kwargs["headers"] = headers
    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Problem | UploadedAttachment | None:
    if response.status_code == 201:
        response_201 = UploadedAttachment.from_dict(response.json())



        return response_201

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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Problem | UploadedAttachment]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: File,
    filename: str,

) -> Response[Any | Problem | UploadedAttachment]:
    """ Upload an attachment

     The body is the file as it is, at most 10 MiB. Name it in the `attachments` of notifications by its
    id; it is kept for
    seven days, and as long as a message that was accepted needs it.

    Args:
        filename (str):
        body (File): The bytes of a file, as they are.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | UploadedAttachment]
     """


    kwargs = _get_kwargs(
        body=body,
filename=filename,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    *,
    client: AuthenticatedClient,
    body: File,
    filename: str,

) -> Any | Problem | UploadedAttachment | None:
    """ Upload an attachment

     The body is the file as it is, at most 10 MiB. Name it in the `attachments` of notifications by its
    id; it is kept for
    seven days, and as long as a message that was accepted needs it.

    Args:
        filename (str):
        body (File): The bytes of a file, as they are.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | UploadedAttachment
     """


    return sync_detailed(
        client=client,
body=body,
filename=filename,

    ).parsed

async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: File,
    filename: str,

) -> Response[Any | Problem | UploadedAttachment]:
    """ Upload an attachment

     The body is the file as it is, at most 10 MiB. Name it in the `attachments` of notifications by its
    id; it is kept for
    seven days, and as long as a message that was accepted needs it.

    Args:
        filename (str):
        body (File): The bytes of a file, as they are.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | UploadedAttachment]
     """


    kwargs = _get_kwargs(
        body=body,
filename=filename,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    *,
    client: AuthenticatedClient,
    body: File,
    filename: str,

) -> Any | Problem | UploadedAttachment | None:
    """ Upload an attachment

     The body is the file as it is, at most 10 MiB. Name it in the `attachments` of notifications by its
    id; it is kept for
    seven days, and as long as a message that was accepted needs it.

    Args:
        filename (str):
        body (File): The bytes of a file, as they are.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | UploadedAttachment
     """


    return (await asyncio_detailed(
        client=client,
body=body,
filename=filename,

    )).parsed
