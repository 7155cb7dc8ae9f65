"""The registry of the synthetic site: tank trucks, and a few others that report. All invented."""

from geofence.config import VehicleConfig
from sim.chance import uniform

N_HAZMAT, N_TRUCKS, N_BUSES = 200, 12, 4
_SEED = 20_260_101  # of the fleet, not of a run
CARGO = (
    ("3", "1203"),
    ("3", "1202"),
    ("3", "1267"),
    ("2.1", "1075"),
    ("2.1", "1972"),
    ("3", "1230"),
    ("3", "1114"),
    ("8", "1830"),
    ("8", "1824"),
    ("2.3", "1005"),
)
CARRIERS = ("示例危运一队（虚构）", "示例危运二队（虚构）", "示例石化物流（虚构）", "示例港口储运（虚构）")
LETTERS = "ABCDEFGHJK"


def fleet() -> list[VehicleConfig]:
    """Return every registered vehicle; the same each time."""
    hazmat = [_hazmat(i) for i in range(N_HAZMAT)]
    trucks = [_other(i, "truck", 13900500000, 12.0) for i in range(N_TRUCKS)]
    buses = [_other(i, "bus", 13900600000, 11.5) for i in range(N_BUSES)]
    return [*hazmat, *trucks, *buses]


def _hazmat(i: int) -> VehicleConfig:
    draw = [uniform(_SEED, "fleet", i, 0, k) for k in range(5)]
    hazmat_class, un = CARGO[int(draw[0] * len(CARGO))]
    return VehicleConfig(
        terminal=str(13900100000 + i),
        plate=f"辽L·{LETTERS[i % len(LETTERS)]}{1000 + 37 * i % 9000:04d}",
        class_="hazmat",
        hazmat_class=hazmat_class,
        un=un,
        carrier=CARRIERS[int(draw[1] * len(CARRIERS))],
        length_m=round(12.0 + 6.0 * draw[2], 1),
        width_m=2.5,
        antenna_m=(round(3.5 + 2.0 * draw[3], 1), round(0.8 * draw[4] - 0.4, 1)),
    )


def _other(i: int, kind: str, first: int, length_m: float) -> VehicleConfig:
    return VehicleConfig(
        terminal=str(first + i),
        plate=f"辽L·{'T' if kind == 'truck' else 'Y'}{2000 + 61 * i:04d}",
        class_="truck" if kind == "truck" else "bus",
        carrier="示例客货运（虚构）",
        length_m=length_m,
        width_m=2.5,
        antenna_m=(4.0, 0.0),
    )
