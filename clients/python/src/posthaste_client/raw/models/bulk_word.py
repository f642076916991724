from enum import StrEnum

class BulkWord(StrEnum):
    CANCEL = "cancel"
    RETRY = "retry"

    def __str__(self) -> str:
        return str(self.value)
