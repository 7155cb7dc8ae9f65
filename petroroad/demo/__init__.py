"""The demo: everything of a site on this machine."""

DEMO_VARIABLE = "PETROROAD_DEMO"  # in the centre's environment: whoever sits here is the demo's user
