"""The JSON of API.md by subject: what each route shows of rows, units and figures."""
