"""What a device's bytes can be guilty of."""


class DeviceError(Exception):
    """Bytes that are no message of their device; `reason` is a short counter name such as `radar.crc`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
