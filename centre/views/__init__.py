"""The JSON of API.md by subject: violations, units and figures."""
