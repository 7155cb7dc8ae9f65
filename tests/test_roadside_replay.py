"""What a replay says that it refused."""

from collections import Counter
from pathlib import Path

from edge.config import load_site
from edge.recording import Recorded
from roadside.pipeline import Pipeline
from roadside.replay import refusals, replay_rsu
from roadside.setup import setups

EXAMPLE = Path(__file__).parent / "data" / "example" / "site.toml"
T0_NS = 1_800_000_000 * 10**9


def test_what_a_pipeline_did_is_no_refusal():
    counts = {"radar.late": 2, "gnss.duplicate": 1, "gnss.future": 0, "identity.bound": 9, "opened.x": 1,
              "judge.stale": 7, "handover.joined": 3, "handover.refused": 1}  # fmt: skip
    assert refusals(counts) == {"radar.late": 2, "gnss.duplicate": 1, "handover.refused": 1}


def test_an_input_that_can_not_be_read_is_counted_and_passed_over():
    site, unread = load_site(EXAMPLE), Counter()
    pipeline = Pipeline(setups(site, expects_gateway=True)["RSU001"])
    messages = [Recorded(f"/{head}/x", b"\xc1", T0_NS, T0_NS) for head in ("radar", "gateway", "truth")]
    assert list(replay_rsu(pipeline, messages, site.frame, lambda *_: None, unread)) == [T0_NS] * 3
    assert unread == {"input.undecodable": 2}
