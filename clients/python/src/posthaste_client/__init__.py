"""Client of Posthaste.

`Posthaste` sends, waits and reads results; `posthaste_client.raw.api` holds one function for each operation of the server,
generated from its OpenAPI document, with `posthaste_client.raw.models` for what goes in and comes out.
"""

from ._client import Posthaste, PosthasteError, TaskFailed, WaitTimeout

__all__ = ["Posthaste", "PosthasteError", "TaskFailed", "WaitTimeout"]
