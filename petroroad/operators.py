"""Who runs a command that connects to the broker: the person whose certificate it shows."""

import os

from edge.tls import Holder

VARIABLE, USUAL = "PETROROAD_OPERATOR", "operator"


def operator() -> Holder:
    """Return the operator: the name in PETROROAD_OPERATOR, or the one that `pki issue --all` makes."""
    return Holder("operator", os.environ.get(VARIABLE, USUAL))
