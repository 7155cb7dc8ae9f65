"""Who may publish and read which topics of docs/design.md section 7: the rights of each part of a site. Pure.

What is not listed is denied. On-board units (`vehicle/{terminal}/gnss/up`) are none of a site's parts: a
broker that admits them has rights of its own for them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from edge import topics
from edge.identity import Role
from edge.sections import RsuConfig, SiteConfig

EVERYTHING = f"{topics.ROOT}/#"
CENTRES = topics.centre_status("+")
ACKNOWLEDGEMENTS = (topics.violation_ack("+"), topics.journey_ack("+"))


class Rights(NamedTuple):
    """The MQTT filters that one part may publish to, and read."""

    role: Role
    name: str
    publish: tuple[str, ...]
    read: tuple[str, ...]


def rights_of(config: SiteConfig, operators: Sequence[str], workers: Sequence[str] = ()) -> list[Rights]:
    """Return the rights of every part of a site, of its operators and of the centre's workers."""
    found = [_rsu(rsu, config) for rsu in config.rsu]
    if config.gateway is not None:
        found.append(_gateway(config.gateway.id, config))
    found.append(_centre(config.centre.id))
    if config.standby is not None:
        found.append(_centre(config.standby.id))
    asked = (topics.config_down("+"), topics.gateway_command_down("+"))
    found += [Rights("operator", name, asked, (EVERYTHING,)) for name in operators]
    found += [Rights("worker", name, ACKNOWLEDGEMENTS, ()) for name in workers]
    return found


def _rsu(rsu: RsuConfig, config: SiteConfig) -> Rights:
    """Return an RSU's rights; handovers go to and come from its neighbours only, whoever named the other."""
    esn = rsu.esn
    named_by = [other.esn for other in config.rsu if esn in other.neighbours]
    beside = tuple(dict.fromkeys((*rsu.neighbours, *named_by)))
    return Rights(
        "rsu",
        esn,
        publish=(
            topics.violation_up(esn),
            topics.journey_up(esn),
            topics.track_up(esn),
            topics.status(esn),
            topics.clock_req(esn),
            topics.rsu_command_up(esn),
            *(topics.handover(esn, other) for other in beside),
            *(topics.handover_ack(esn, other) for other in beside),
        ),
        read=(
            topics.violation_ack(esn),
            topics.violation_ask(esn),
            topics.journey_ack(esn),
            topics.clock_rsp(esn),
            topics.epoch_down(esn),
            topics.gnss_down(esn),
            topics.config_down(esn),
            topics.rsu_command_down(esn),
            topics.status(esn),  # who else takes its name
            CENTRES,
            *(topics.handover(other, esn) for other in beside),
            *(topics.handover_ack(other, esn) for other in beside),
        ),
    )


def _gateway(gateway: str, config: SiteConfig) -> Rights:
    return Rights(
        "gateway",
        gateway,
        publish=(
            *(topics.gnss_down(rsu.esn) for rsu in config.rsu),
            topics.gateway_status(gateway),
            topics.gateway_command_up(gateway),
            topics.gateway_clock_req(gateway),
        ),
        read=(
            topics.gateway_command_down(gateway),
            topics.gateway_clock_rsp(gateway),
            topics.vehicle_gnss_up("+"),
            CENTRES,
        ),
    )


def _centre(centre: str) -> Rights:
    return Rights(
        "centre",
        centre,
        publish=(
            topics.violation_ack("+"),
            topics.violation_ask("+"),
            topics.journey_ack("+"),
            topics.clock_rsp("+"),
            topics.config_down("+"),
            topics.gateway_command_down("+"),
            topics.gateway_clock_rsp("+"),
            topics.epoch_down("+"),
            topics.rsu_command_down("+"),
            topics.centre_status(centre),
            topics.centre_desk(centre),
            topics.alarm_up(centre),
        ),
        read=(EVERYTHING,),
    )
