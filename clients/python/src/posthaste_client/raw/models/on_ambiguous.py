from enum import StrEnum

class OnAmbiguous(StrEnum):
    HOLD = "hold"
    RETRY = "retry"

    def __str__(self) -> str:
        return str(self.value)
