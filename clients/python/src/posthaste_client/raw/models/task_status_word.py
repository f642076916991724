from enum import StrEnum

class TaskStatusWord(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
    IN_PROGRESS = "in progress"

    def __str__(self) -> str:
        return str(self.value)
