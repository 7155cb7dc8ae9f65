"""What is wrong with a map. Imports nothing heavy."""


class MapError(ValueError):
    """A map, or a position, that breaks a rule; says where and which."""
