"""A terminal that the registry lacks is shown, and raises nothing by its fixes: anyone may connect one."""

from dataclasses import replace

import numpy as np
import pytest

from edge.config import load_site
from fusion.observations import RadarScan
from roadside.inputs import GatewayFixes
from roadside.outputs import Raised, Snapshot
from roadside.pipeline import Pipeline
from roadside.setup import setups
from tests.support.roadside_drive import EXAMPLE, drive, replace_terminal, run

REGISTERED, STRANGER = "13900000001", "13999999999"


def precise(feed, terminal):
    """Return the feed as another terminal's, with the sigma of an RTK receiver."""
    feed = replace_terminal(feed, terminal)
    sigma, tau = np.array([0.02]), np.array([1.0])
    return replace(feed, fixes=replace(feed.fixes, sigma_m=sigma, tau_s=tau))


def driven(terminal, setup, *, radar):
    """Return what comes of a drive across the road and off it, with radar or by fixes alone."""
    inputs = [
        (now_ns, precise(item, terminal) if isinstance(item, GatewayFixes) else item)
        for now_ns, item in drive(setup, lambda t_s: 2.0 * max(0.0, t_s - 3.0), seconds=16.0)
        if radar or not isinstance(item, RadarScan)
    ]
    return run(Pipeline(setup), inputs)


@pytest.mark.parametrize(
    ("terminal", "radar", "registry", "raises"),
    [
        (REGISTERED, False, True, True),
        (STRANGER, False, True, False),
        (STRANGER, True, True, True),  # radar sees the vehicle itself: it can't hide behind a terminal
        (STRANGER, False, False, True),  # a site without a registry has no strangers
    ],
)
def test_only_a_registered_terminals_fixes_raise(terminal, radar, registry, raises):
    setup = setups(load_site(EXAMPLE), expects_gateway=True)["RSU001"]
    setup = setup if registry else replace(setup, terminals=())
    outputs = driven(terminal, setup, radar=radar)
    found = [output for output in outputs if isinstance(output, Raised)]  # undecidable ones too
    assert bool(found) == raises
    assert max(output.n_tracks for output in outputs if isinstance(output, Snapshot)) >= 1  # it is shown
