from enum import StrEnum

class BackoffType1Type(StrEnum):
    LISTED = "listed"

    def __str__(self) -> str:
        return str(self.value)
