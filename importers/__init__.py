"""Measurements and recordings of others, turned into recordings of ours."""
