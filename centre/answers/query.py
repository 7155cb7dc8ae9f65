"""The parameters of a request: a name that no handler knows is refused, not ignored."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args
from urllib.parse import parse_qsl

from litestar import Litestar, Request
from litestar.exceptions import ClientException
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

BLANK = ("", "null")
_KEY = "petroroad.parameters"  # of the app's state


class Names(NamedTuple):
    """The parameters of one handler."""

    written: Mapping[str, str]  # the handler's own names -> as a client writes them
    query: frozenset[str]  # as a client writes them
    repeated: frozenset[str]  # of these, those that may come several times
    no_text: frozenset[str]  # of `query`, those that take no free text: "null" would count as left out


def names_of(app: Litestar) -> Mapping[tuple[str, str], Names]:
    """Return the parameters of each handler by (path, method)."""
    found: dict[tuple[str, str], Names] | None = app.state.get(_KEY)
    if found is None:
        found = {
            (route.path_format, str(method)): _names(handler, model)
            for route in app.routes
            if isinstance(route, HTTPRoute)
            for method, (handler, model) in route.route_handler_map.items()
        }
        app.state[_KEY] = found
    return found


def _names(handler: HTTPRouteHandler, model: Any) -> Names:
    query = model.expected_query_params
    fields = handler.parsed_fn_signature.parameters
    all_kinds = query | model.expected_path_params | model.expected_header_params
    return Names(
        {each.field_name: each.field_alias for each in all_kinds},
        frozenset(each.field_alias for each in query),
        frozenset(each.field_alias for each in query if each.is_sequence),
        frozenset(each.field_alias for each in query if not _is_text(fields[each.field_name].annotation)),
    )


def _is_text(annotation: Any) -> bool:
    return annotation is str or str in get_args(annotation)


def written_names(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """Return how a client writes the parameters of the request's handler."""
    found = _of(request)
    return {} if found is None else found.written


def _of(request: Request[Any, Any, Any]) -> Names | None:
    key = (request.scope.get("path_template", ""), request.scope["method"])
    return names_of(request.app).get(key)


async def refuse_unknown(request: Request[Any, Any, Any]) -> None:
    """Refuse a request with a parameter that its handler does not have, or with one given twice."""
    found = _of(request)
    if found is None or request.route_handler.opt.get("any_query"):
        return
    # as written: the framework's own parser has made null of "null"
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    given = [name for name, _ in pairs]
    unknown = sorted({name for name in given if name not in found.query})
    twice = sorted({name for name in given if given.count(name) > 1} - found.repeated - set(unknown))
    nulls = sorted({name for name, value in pairs if value.lower() in BLANK and name in found.no_text})
    # no text of ours has it, and PostgreSQL takes none that has
    zeros = sorted({name for name, value in pairs if "\0" in value} - set(unknown))
    refuse_names(unknown, sorted(found.query), twice, nulls, zeros)


def refuse_names(
    unknown: Sequence[str],
    known: Sequence[str],
    twice: Sequence[str] = (),
    nulls: Sequence[str] = (),
    zeros: Sequence[str] = (),
) -> None:
    """Raise 400 for names that are unknown or repeated, or whose value is null or has a zero byte."""
    if not (unknown or twice or nulls or zeros):
        return
    errors = [{"name": name[:64], "in": "query", "reason": "is not known here"} for name in unknown]
    errors += [{"name": name, "in": "query", "reason": "is given more than once"} for name in twice]
    errors += [{"name": name, "in": "query", "reason": "is empty: leave it out"} for name in nulls]
    errors += [{"name": name, "in": "query", "reason": "has a zero byte"} for name in zeros]
    detail = "; ".join(f"{each['name']}: {each['reason']}" for each in errors)
    raise ClientException(
        detail[:1_000], status_code=400, extra={"errors": errors[:64], "known": list(known)}
    )
