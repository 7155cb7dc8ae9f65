"""Why a change of accounts, or a sign-in, is refused. Pure."""


class AccountError(Exception):
    """A change of an account is impossible; `key` is the field that is wrong."""

    def __init__(self, key: str, rule: str, status: int = 409) -> None:
        super().__init__(f"{key}: {rule}")
        self.key, self.rule, self.status = key, rule, status


class WaitError(Exception):
    """Too many sign-ins failed: the next one has to wait."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many failed sign-ins: wait {wait_s:.0f} s")
        self.wait_s = wait_s


class BusyError(Exception):
    """So many sign-ins are being checked that this one isn't begun."""


class WrongPasswordError(Exception):
    """Name or password are wrong, or the account is disabled: nobody learns which."""
