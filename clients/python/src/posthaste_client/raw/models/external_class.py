from enum import StrEnum

class ExternalClass(StrEnum):
    PERMANENT = "permanent"
    TRANSIENT = "transient"

    def __str__(self) -> str:
        return str(self.value)
