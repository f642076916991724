from enum import StrEnum

class BackoffType0Type(StrEnum):
    EXPONENTIAL = "exponential"

    def __str__(self) -> str:
        return str(self.value)
