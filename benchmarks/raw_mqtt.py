"""The least that publishes over MQTT 3.1.1: one socket, QoS 0, packets that are put together beforehand."""

import socket
import struct
import threading

CONNECT, PINGREQ, PUBLISH_QOS_0 = 0x10, 0xC0, 0x30
KEEPALIVE_S = 60


class RawMqtt:
    """One connection of a publisher, which reads and drops what the broker answers."""

    def __init__(self, host: str, port: int, client_id: str) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = _text("MQTT") + struct.pack(">BBH", 4, 2, KEEPALIVE_S)
        self._socket.sendall(packet(CONNECT, head + _text(client_id)))
        answer = self._socket.recv(4, socket.MSG_WAITALL)
        if answer[:1] != b"\x20" or answer[3:] != b"\x00":
            raise ConnectionError(f"the broker answers {answer.hex()}")
        threading.Thread(target=self._drop, daemon=True).start()

    def send(self, packets: bytes | bytearray) -> None:
        """Write whole packets."""
        self._socket.sendall(packets)

    def close(self) -> None:
        """Leave without a word: there is no will."""
        self._socket.close()

    def _drop(self) -> None:
        try:
            while self._socket.recv(65_536):
                pass
        except OSError:  # closed
            return


def publish(topic: str, payload: bytes) -> bytearray:
    """Return a PUBLISH packet of QoS 0; its payload is its end, and can be changed in place."""
    return bytearray(packet(PUBLISH_QOS_0, _text(topic) + payload))


def packet(kind: int, rest: bytes) -> bytes:
    """Return a control packet (MQTT 3.1.1, sec. 2.2)."""
    length, size = bytearray(), len(rest)
    while True:
        size, low = divmod(size, 128)
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes((kind,)) + bytes(length) + rest


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw
