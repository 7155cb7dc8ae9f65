"""Who is registered: vehicles by plate and terminal, carriers and their vehicles, permits. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from centre.search.keys import folded, shown
from centre.search.un import Goods, table
from geofence.config import VehicleConfig
from geofence.permits import PermitConfig

PERMITS_MAX = 50  # of one vehicle's page, the newest
FIELDS = ("terminal", "plate", "hazmat_class", "un", "carrier", "phone", "driver", "driver_phone")


class Asked(NamedTuple):
    """Which registered vehicles a page of `/api/vehicles` holds; None: any."""

    name: str | None  # a part of the plate or of the terminal
    carrier: str | None  # a part of its name
    un: str | None
    after: str | None  # the last terminal of the page before
    limit: int


class Directory:
    """The registry and the permits of a site file, as the pages of vehicles and carriers show them."""

    def __init__(self, vehicles: Sequence[VehicleConfig], permits: Sequence[PermitConfig]) -> None:
        self._by_name: dict[str, VehicleConfig] = {}
        self._by_carrier: dict[str, list[VehicleConfig]] = defaultdict(list)
        self._permits: dict[str, list[PermitConfig]] = defaultdict(list)
        for vehicle in vehicles:
            self._by_name[folded(vehicle.terminal)] = vehicle
            if vehicle.carrier:
                self._by_carrier[shown(vehicle.carrier)].append(vehicle)
        for vehicle in vehicles:
            if vehicle.plate:
                self._by_name[folded(vehicle.plate)] = vehicle
        for permit in permits:
            self._permits[permit.terminal].append(permit)

        self._listed = sorted(vehicles, key=lambda each: each.terminal)

    def page(self, asked: Asked) -> dict[str, Any]:
        """Return a page of `/api/vehicles`: the registered vehicles that fit, by terminal."""
        name, carrier = folded(asked.name or ""), folded(asked.carrier or "")
        un = None if asked.un is None else goods_key(asked.un)
        fit = [
            each
            for each in self._listed
            if (name in folded(each.plate or "") or name in folded(each.terminal))
            and carrier in folded(each.carrier or "")
            and (un is None or (each.un is not None and goods_key(each.un) == un))
        ]
        after = [each for each in fit if asked.after is None or each.terminal > asked.after]
        items = after[: asked.limit]
        return {
            "n": len(fit), "items": [registered(each) for each in items],
            "next": items[-1].terminal if len(after) > len(items) else None,
        }  # fmt: skip

    def find(self, name: str) -> VehicleConfig | None:
        """Return the vehicle of a plate or a terminal."""
        return self._by_name.get(folded(name))

    def vehicle(self, name: str, now_ns: int) -> dict[str, Any]:
        """Return `registered`, `goods` and `permits` of `/api/vehicles/{name}`."""
        found = self.find(name)
        if found is None:
            return {"registered": None, "goods": None, "permits": []}
        permits = sorted(self._permits[found.terminal], key=lambda each: each.start_ns, reverse=True)
        return {
            "registered": registered(found),
            "goods": goods_of(found.un),
            "permits": [_permit(each, now_ns) for each in permits[:PERMITS_MAX]],
        }

    def carrier(self, name: str) -> list[dict[str, Any]]:
        """Return the registered vehicles of a carrier."""
        return [registered(each) for each in self._by_carrier.get(shown(name), ())]


def registered(vehicle: VehicleConfig) -> dict[str, Any]:
    """Return what the registry says of a vehicle."""
    return {name: getattr(vehicle, name) for name in FIELDS} | {"class": vehicle.class_}


def goods_of(un: str | None) -> Goods | None:
    """Return the entry of a UN number; None where the table lacks it."""
    return None if un is None else table().get(goods_key(un))


def goods_key(un: str) -> str:
    """Return the four digits of a UN number as messages and registries write it."""
    return un.strip().upper().removeprefix("UN").strip().zfill(4)


def _permit(permit: PermitConfig, now_ns: int) -> dict[str, Any]:
    return {
        "permit": permit.permit, "waybill": permit.waybill, "start_ns": permit.start_ns,
        "end_ns": permit.end_ns, "entry": permit.entry, "exit": permit.exit, "roads": list(permit.roads),
        "holds": permit.holds(now_ns),
    }  # fmt: skip
