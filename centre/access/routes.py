"""The routes of signing in, of one's own account, and of all accounts for administrators."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from centre.access.account_rows import Account
from centre.access.errors import AccountError, BusyError, WaitError, WrongPasswordError
from centre.access.rules import token_in, visit_of
from centre.access.service import DEMO, Access, SignedIn, Visit
from centre.access.sessions import csrf_of
from centre.accounts.actor import Actor, actor_of
from centre.accounts.passwords import CHARS_MAX
from centre.accounts.rights import RIGHTS
from centre.accounts.tables import DESK_CHARS_MAX, DISPLAY_CHARS_MAX

Word = Annotated[str, Meta(max_length=CHARS_MAX * 4)]  # longer ones are no password of ours
Short = Annotated[str, Meta(max_length=DISPLAY_CHARS_MAX)]
Desk = Annotated[str, Meta(max_length=DESK_CHARS_MAX, pattern=r"^[^\x00-\x1f\x7f]*$")]
AnyRequest = Request[Any, Any, Any]
REFUSED = "name or password are wrong, or the account is disabled"


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/sign-in`."""

    name: Short
    password: Word
    desk: Desk = ""


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/me/password`."""

    old: Word
    new: Word


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/users`."""

    name: Short
    role: Short
    password: Word
    display: Short = ""


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PATCH /api/users/{name}`: what is given is changed."""

    role: Short | None = None
    disabled: bool | None = None
    display: Short | None = None
    password: Word | None = None


class Cookies(msgspec.Struct):
    """How the session's token is stored in the browser."""

    name: str
    secure: bool

    def set(self, response: Response[Any], token: str) -> None:
        """Store a token; an empty one deletes it. No script reads it, no other site's request carries it."""
        response.set_cookie(
            Cookie(
                key=self.name, value=token, path="/", httponly=True, secure=self.secure, samesite="strict",
                max_age=None if token else 0,
            )
        )  # fmt: skip


def handlers(access: Access, cookies: Cookies) -> list[ControllerRouterHandler]:
    """Return the handlers of sign-in, `/api/me` and `/api/users`."""
    return [*_own(access, cookies), *_users(access)]


def _own(access: Access, cookies: Cookies) -> list[ControllerRouterHandler]:
    def signed_in(done: SignedIn) -> Response[dict[str, Any]]:
        body = _me(access, done.actor, csrf_of(done.token))
        response = Response(body)
        cookies.set(response, done.token)
        return response

    @post("/api/sign-in", status_code=200, opt={"public": True})
    async def sign_in(data: JSONBody[SignIn], request: AnyRequest) -> Response[dict[str, Any]]:
        if not access.has_accounts:
            raise HTTPException("there are no accounts: nobody has to sign in", status_code=409)
        before = token_in(request.scope)
        name = data.name.strip().lower()
        try:
            done = await access.sign_in(name, data.password, _address(request), data.desk.strip(), before)
        except (WaitError, BusyError, WrongPasswordError) as error:
            raise _refusal(error) from error
        return signed_in(done)

    @post("/api/sign-out", status_code=200, opt={"own": True})
    async def sign_out(request: AnyRequest) -> Response[dict[str, Any]]:
        visit = _visit(request)
        if visit.token:
            await access.sign_out(visit)
        response = Response({"accounts": access.has_accounts})
        cookies.set(response, "")
        return response

    @get("/api/me", opt={"own": True}, sync_to_thread=False)
    def me(request: AnyRequest) -> dict[str, Any]:
        return _me(access, actor_of(request.scope), _visit(request).csrf)

    @post("/api/me/password", status_code=200, opt={"own": True})
    async def own_password(data: JSONBody[NewPassword], request: AnyRequest) -> Response[dict[str, Any]]:
        visit = _visit(request)
        if not visit.token:
            raise HTTPException("there are no accounts: nobody has a password", status_code=409)
        try:
            return signed_in(await access.change_own(visit, data.old, data.new, _address(request)))
        except AccountError as error:
            raise _fault(error) from error
        except (WaitError, BusyError, WrongPasswordError) as error:
            raise _refusal(error, wrong=403) from error

    return [sign_in, sign_out, me, own_password]


def _users(access: Access) -> list[ControllerRouterHandler]:
    opt = {"right": "accounts"}

    @get("/api/users", opt=opt, sync_to_thread=False)
    def users() -> dict[str, Any]:
        found = access.sessions.accounts.values()
        return {"items": [_row(each) for each in sorted(found, key=lambda each: each.name)]}

    @post("/api/users", opt=opt)
    async def add_user(data: JSONBody[NewUser], request: AnyRequest) -> dict[str, Any]:
        actor = actor_of(request.scope)
        try:
            return _row(await access.add(actor, data.name, data.display.strip(), data.role, data.password))
        except AccountError as error:
            raise _fault(error) from error
        except BusyError as error:
            raise _refusal(error) from error

    @patch("/api/users/{name:str}", opt=opt)
    async def change_user(
        name: FromPath[str], data: JSONBody[UserChange], request: AnyRequest
    ) -> dict[str, Any]:
        actor, display = actor_of(request.scope), None if data.display is None else data.display.strip()
        try:
            changed = await access.change(
                actor, name, password=data.password, display=display, role=data.role, disabled=data.disabled
            )
        except AccountError as error:
            raise _fault(error) from error
        except BusyError as error:
            raise _refusal(error) from error
        return _row(changed)

    return [users, add_user, change_user]


def _me(access: Access, actor: Actor, csrf: str) -> dict[str, Any]:
    account = access.sessions.accounts.get(actor.name)
    return {
        "name": actor.name, "display": actor.name if account is None else account.display, "role": actor.role,
        "rights": sorted(RIGHTS[actor.role]), "csrf": csrf, "desk": actor.desk,
        "accounts": access.has_accounts, "demo": actor.name == DEMO.name,
    }  # fmt: skip


def _row(account: Account) -> dict[str, Any]:
    row = account._asdict()
    del row["generation"]
    times = {key: None if row[key] is None else str(row[key]) for key in row if key.endswith("_ns")}
    return row | times


def _visit(request: AnyRequest) -> Visit:
    visit = visit_of(request.scope)
    assert visit is not None, "the rules let nobody else pass"
    return visit


def _address(request: AnyRequest) -> str:
    return "" if request.client is None else request.client.host


def _fault(error: AccountError) -> HTTPException:
    return HTTPException(str(error), status_code=error.status, extra={"field": error.key, "rule": error.rule})


def _refusal(error: WaitError | BusyError | WrongPasswordError, wrong: int = 401) -> HTTPException:
    if isinstance(error, WaitError):
        wait_s = max(1, round(error.wait_s + 0.5))
        detail, extra = f"too many failed sign-ins: wait {wait_s} s", {"reason": "wait", "wait_s": wait_s}
        return HTTPException(detail, status_code=429, extra=extra, headers={"retry-after": str(wait_s)})
    if isinstance(error, BusyError):
        extra = {"reason": "busy", "wait_s": 2}
        return HTTPException(
            "too many sign-ins at once", status_code=503, extra=extra, headers={"retry-after": "2"}
        )
    return HTTPException(REFUSED, status_code=wrong, extra={"reason": "password", "accounts": True})
