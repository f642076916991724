from enum import StrEnum

class FailureClass(StrEnum):
    AMBIGUOUS = "ambiguous"
    MISCONFIGURED = "misconfigured"
    PERMANENT = "permanent"
    SUPPRESS = "suppress"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    UNAVAILABLE = "unavailable"

    def __str__(self) -> str:
        return str(self.value)
