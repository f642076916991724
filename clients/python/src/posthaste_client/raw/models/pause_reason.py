from enum import StrEnum

class PauseReason(StrEnum):
    BREAKER = "breaker"
    MANUAL = "manual"
    MISCONFIGURED = "misconfigured"
    THROTTLED = "throttled"

    def __str__(self) -> str:
        return str(self.value)
