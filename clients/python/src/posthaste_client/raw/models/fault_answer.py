from enum import StrEnum

class FaultAnswer(StrEnum):
    TIMEOUT = "timeout"
    VALUE_0 = "451"
    VALUE_1 = "550"
    VALUE_2 = "429"

    def __str__(self) -> str:
        return str(self.value)
