"""The outputs of a replay as a recording of its own; with the truth beside it, so that it can be scored."""

from pathlib import Path

from edge.recording.recorder import Recorder
from edge.wire import SiteRecord, encode
from roadside.arrivals import LoggedMessage
from roadside.outputs import Output, Raised, Snapshot, Travelled


class ReplayOut:
    """Writes `/site`, `/tracks/{esn}`, `/violation/{esn}`, `/journey/{esn}` and the truth; a context.

    Its end raises OSError where the disk did not store all.
    """

    def __init__(self, path: Path, site: SiteRecord) -> None:
        self._recorder = Recorder(path)
        self._site = encode(site)
        self._begun = False

    def __enter__(self) -> "ReplayOut":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._recorder.close()
        if kind is None and self._recorder.refused is not None:
            raise self._recorder.refused

    def write(self, esn: str, now_ns: int, output: Output) -> None:
        """Record one output under the log time of the input that brought it."""
        match output:
            case Raised(violation=violation, body=body):
                self._write(f"/violation/{esn}", body, now_ns, violation.stamps.measured_ns)
            case Travelled(stamp_ns=stamp_ns, body=body):
                self._write(f"/journey/{esn}", body, now_ns, stamp_ns)
            case Snapshot(stamp_ns=stamp_ns, body=body):
                self._write(f"/tracks/{esn}", body, now_ns, stamp_ns)

    def copy(self, message: LoggedMessage) -> None:
        """Record a message as it was."""
        self._write(message.topic, message.body, message.log_ns, message.publish_ns)

    def _write(self, topic: str, body: bytes, log_ns: int, publish_ns: int) -> None:
        if not self._begun:
            self._recorder.write("/site", self._site, log_ns)
            self._begun = True
        self._recorder.write(topic, body, log_ns, publish_ns)
