from enum import StrEnum

class Channel(StrEnum):
    DISCORD = "discord"
    EMAIL = "email"
    GOTIFY = "gotify"
    NTFY = "ntfy"
    SLACK = "slack"
    SMS = "sms"
    TEAMS = "teams"
    TELEGRAM = "telegram"
    WEBHOOK = "webhook"
    WEB_PUSH = "web_push"

    def __str__(self) -> str:
        return str(self.value)
