"""Who sent under another's name within the last minutes, by the name that was meant. Pure."""

from collections import OrderedDict

SHOWN_S = 600.0
NAMES_MAX = 16


class Strangers:
    """The newest stranger under each name; times are monotonic [s]."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[str, float]] = OrderedDict()  # address and time, oldest first

    def note(self, name: str, address: str, now_s: float) -> None:
        """Note that somebody at `address` was refused under a name."""
        self._last[name] = address[:64], now_s
        self._last.move_to_end(name)
        if len(self._last) > NAMES_MAX:
            self._last.popitem(last=False)

    def shown(self, now_s: float) -> dict[str, str]:
        """Return {name: address} of the last SHOWN_S."""
        while self._last and now_s - next(iter(self._last.values()))[1] > SHOWN_S:
            self._last.popitem(last=False)
        return {name: address for name, (address, _) in sorted(self._last.items())}
