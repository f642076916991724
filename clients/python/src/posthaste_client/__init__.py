"""Client of Posthaste.

`Posthaste` sends, waits and reads results; `posthaste_client.api` holds one function for each operation of the server,
generated from its OpenAPI document, with `posthaste_client.models` for what goes in and comes out.
"""

from ._client import Posthaste, PosthasteError, TaskFailed, WaitTimeout
from ._generated import api, models

__all__ = ["Posthaste", "PosthasteError", "TaskFailed", "WaitTimeout", "api", "models"]
