from enum import StrEnum

class BatchMode(StrEnum):
    PERMISSIVE = "permissive"
    STRICT = "strict"

    def __str__(self) -> str:
        return str(self.value)
