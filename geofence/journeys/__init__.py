"""Journeys: each identified vehicle's way from entry to exit, whichever RSUs follow it. Pure."""
