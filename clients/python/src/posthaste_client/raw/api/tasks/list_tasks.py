from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.failure_class import FailureClass
from ...models.problem import Problem
from ...models.state import State
from ...models.task_page import TaskPage
from ...types import UNSET, Unset
from typing import cast
from uuid import UUID



def _get_kwargs(
    *,
    state: list[State] | Unset = UNSET,
    kind: str | Unset = UNSET,
    queue: str | Unset = UNSET,
    tenant: str | Unset = UNSET,
    batch: UUID | Unset = UNSET,
    recipient: str | Unset = UNSET,
    class_: FailureClass | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> dict[str, Any]:
    

    

    params: dict[str, Any] = {}

    json_state: list[str] | Unset = UNSET
    if not isinstance(state, Unset):
        json_state = []
        for state_item_data in state:
            state_item = state_item_data.value
            json_state.append(state_item)


    params["state"] = json_state

    params["kind"] = kind

    params["queue"] = queue

    params["tenant"] = tenant

    json_batch: str | Unset = UNSET
    if not isinstance(batch, Unset):
        json_batch = str(batch)
    params["batch"] = json_batch

    params["recipient"] = recipient

    json_class_: str | Unset = UNSET
    if not isinstance(class_, Unset):
        json_class_ = class_.value

    params["class"] = json_class_

    params["limit"] = limit

    params["cursor"] = cursor


    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}


    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/tasks",
        "params": params,
    }


    return _kwargs



def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Problem | TaskPage | None:
    if response.status_code == 200:
        response_200 = TaskPage.from_dict(response.json())



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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Problem | TaskPage]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    state: list[State] | Unset = UNSET,
    kind: str | Unset = UNSET,
    queue: str | Unset = UNSET,
    tenant: str | Unset = UNSET,
    batch: UUID | Unset = UNSET,
    recipient: str | Unset = UNSET,
    class_: FailureClass | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> Response[Any | Problem | TaskPage]:
    """ List tasks

     Newest first, without payloads, results and logs. All given conditions hold. A page may be
    shorter than `limit`, even empty, although more follows: go on while there is a `next_cursor`.

    Args:
        state (list[State] | Unset):
        kind (str | Unset):
        queue (str | Unset):
        tenant (str | Unset):
        batch (UUID | Unset): A UUID.
        recipient (str | Unset):
        class_ (FailureClass | Unset): What kind of failure an attempt ended in.
        limit (int | Unset):
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | TaskPage]
     """


    kwargs = _get_kwargs(
        state=state,
kind=kind,
queue=queue,
tenant=tenant,
batch=batch,
recipient=recipient,
class_=class_,
limit=limit,
cursor=cursor,

    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)

def sync(
    *,
    client: AuthenticatedClient,
    state: list[State] | Unset = UNSET,
    kind: str | Unset = UNSET,
    queue: str | Unset = UNSET,
    tenant: str | Unset = UNSET,
    batch: UUID | Unset = UNSET,
    recipient: str | Unset = UNSET,
    class_: FailureClass | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> Any | Problem | TaskPage | None:
    """ List tasks

     Newest first, without payloads, results and logs. All given conditions hold. A page may be
    shorter than `limit`, even empty, although more follows: go on while there is a `next_cursor`.

    Args:
        state (list[State] | Unset):
        kind (str | Unset):
        queue (str | Unset):
        tenant (str | Unset):
        batch (UUID | Unset): A UUID.
        recipient (str | Unset):
        class_ (FailureClass | Unset): What kind of failure an attempt ended in.
        limit (int | Unset):
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | TaskPage
     """


    return sync_detailed(
        client=client,
state=state,
kind=kind,
queue=queue,
tenant=tenant,
batch=batch,
recipient=recipient,
class_=class_,
limit=limit,
cursor=cursor,

    ).parsed

async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    state: list[State] | Unset = UNSET,
    kind: str | Unset = UNSET,
    queue: str | Unset = UNSET,
    tenant: str | Unset = UNSET,
    batch: UUID | Unset = UNSET,
    recipient: str | Unset = UNSET,
    class_: FailureClass | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> Response[Any | Problem | TaskPage]:
    """ List tasks

     Newest first, without payloads, results and logs. All given conditions hold. A page may be
    shorter than `limit`, even empty, although more follows: go on while there is a `next_cursor`.

    Args:
        state (list[State] | Unset):
        kind (str | Unset):
        queue (str | Unset):
        tenant (str | Unset):
        batch (UUID | Unset): A UUID.
        recipient (str | Unset):
        class_ (FailureClass | Unset): What kind of failure an attempt ended in.
        limit (int | Unset):
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | TaskPage]
     """


    kwargs = _get_kwargs(
        state=state,
kind=kind,
queue=queue,
tenant=tenant,
batch=batch,
recipient=recipient,
class_=class_,
limit=limit,
cursor=cursor,

    )

    response = await client.get_async_httpx_client().request(
        **kwargs
    )

    return _build_response(client=client, response=response)

async def asyncio(
    *,
    client: AuthenticatedClient,
    state: list[State] | Unset = UNSET,
    kind: str | Unset = UNSET,
    queue: str | Unset = UNSET,
    tenant: str | Unset = UNSET,
    batch: UUID | Unset = UNSET,
    recipient: str | Unset = UNSET,
    class_: FailureClass | Unset = UNSET,
    limit: int | Unset = UNSET,
    cursor: str | Unset = UNSET,

) -> Any | Problem | TaskPage | None:
    """ List tasks

     Newest first, without payloads, results and logs. All given conditions hold. A page may be
    shorter than `limit`, even empty, although more follows: go on while there is a `next_cursor`.

    Args:
        state (list[State] | Unset):
        kind (str | Unset):
        queue (str | Unset):
        tenant (str | Unset):
        batch (UUID | Unset): A UUID.
        recipient (str | Unset):
        class_ (FailureClass | Unset): What kind of failure an attempt ended in.
        limit (int | Unset):
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | TaskPage
     """


    return (await asyncio_detailed(
        client=client,
state=state,
kind=kind,
queue=queue,
tenant=tenant,
batch=batch,
recipient=recipient,
class_=class_,
limit=limit,
cursor=cursor,

    )).parsed
