"""Which of the centre's asks are served: equal ones and too many are not. Pure."""

ASK_S = 60.0  # an equal ask within it is ignored
ASKS_MAX = 64  # different ones within it


class Asks:
    """The asks of the last minute."""

    def __init__(self) -> None:
        self._came_s: dict[bytes, float] = {}

    def reason(self, ask: bytes, now_s: float) -> str | None:
        """Return why an encoded ask is ignored; None: it is to be served, and remembered."""
        self._came_s = {body: at_s for body, at_s in self._came_s.items() if now_s - at_s < ASK_S}
        if ask in self._came_s:
            return "ask_repeated"
        if len(self._came_s) >= ASKS_MAX:
            return "ask_full"
        self._came_s[ask] = now_s
        return None
