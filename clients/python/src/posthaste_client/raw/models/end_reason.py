from enum import StrEnum

class EndReason(StrEnum):
    AMBIGUOUS = "ambiguous"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    MAX_AGE = "max_age"
    MAX_FAILURES = "max_failures"
    PERMANENT = "permanent"
    SUPPRESSED = "suppressed"
    WORKER_LOST = "worker_lost"

    def __str__(self) -> str:
        return str(self.value)
