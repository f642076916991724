from enum import StrEnum

class ProviderState(StrEnum):
    BREAKER = "breaker"
    MISCONFIGURED = "misconfigured"
    OK = "ok"
    PAUSED = "paused"
    THROTTLED = "throttled"

    def __str__(self) -> str:
        return str(self.value)
