"""What a gateway shows to Prometheus."""

import pytest

from edge import log
from edge.clock import Clock
from edge.config import load_site
from edge.service import Shell
from edge.subscriptions import MAIN
from roadside.gateway.gateway import Gateway
from roadside.gateway.process import GatewayService
from tests.support.roadside_drive import EXAMPLE
from tests.support.scraping import check_names, samples_of

pytestmark = pytest.mark.anyio


async def test_the_gateway_serves_what_the_catalogue_says():
    site, clock = load_site(EXAMPLE), Clock.wall()
    shell = Shell("gateway", site, clock, log.setup(part="test"), {MAIN: "gateway-GW1"})
    service = GatewayService(Gateway(site, clock, shell.main.publish, shell.link_counts), shell)
    shell.attach(service)
    text = service.health.metrics().decode()
    check_names("gateway", text)
    seen = samples_of(text)
    assert seen["petroroad_terminals",] == seen["petroroad_link_up", MAIN] == 0.0
