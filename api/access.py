"""Log-in, log-out and the session: POST /login, POST /logout, GET /session.

Right and wrong tries are events. A wrong name and a wrong password get the same answer after the
same work.
"""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from api.appending import append_fact
from api.control_models import LoginBody
from api.dispatch import Call, cookie_name, json_answer
from api.errors import ApiError, no_session
from domain.events.controls import LoginFailed, LoginSucceeded

LOGIN_STREAM = "logins/api"


async def check_password(call: Call, name: str, password: str) -> None:
    """Pass, or answer 401 or 429. Also used to confirm a dangerous control.

    Raises:
        ApiError: the password is wrong, or the tries come too fast.
    """
    desk = call.desk
    wait = desk.throttle.wait_seconds(call.address)
    if wait > 0 or desk.passwords.is_busy:
        raise ApiError(
            429,
            "too_many_tries",
            f"tries must be {max(wait, 1):.0f} s apart by now, was sooner",
            "wait, then try again",
            headers={"Retry-After": str(max(1, round(wait)))},
        )
    if await desk.passwords.verify(name, password):
        desk.throttle.succeeded(call.address)
        return
    desk.throttle.failed(call.address)
    who = desk.passwords.known_name(name)
    reason = "name and password do not match"
    await append_fact(call, LOGIN_STREAM, LoginFailed(who=who, address=call.address, reason=reason))
    raise ApiError(
        401,
        "wrong_login",
        "name and password must match, did not",
        "try again; `python -m run.api hash-password` makes a new hash for the settings",
    )


async def login(call: Call) -> Response:
    body = call.sent(LoginBody)
    await check_password(call, body.name, body.password)
    await append_fact(call, LOGIN_STREAM, LoginSucceeded(who=body.name, address=call.address))
    token, call.session = call.desk.sessions.open(body.name)
    response = RedirectResponse("/halt", status_code=303) if call.is_form else session(call)
    response.set_cookie(
        cookie_name(call.desk),
        token,
        path="/",
        httponly=True,
        samesite="strict",
        secure=call.desk.settings.https,
    )
    return response


async def logout(call: Call) -> Response:
    name = cookie_name(call.desk)
    call.desk.sessions.close(call.request.cookies.get(name, ""))
    response = json_answer({"state": "logged out"})
    response.delete_cookie(
        name, path="/", httponly=True, samesite="strict", secure=call.desk.settings.https
    )
    return response


async def get_session(call: Call) -> Response:
    return session(call)


def session(call: Call) -> Response:
    """Who is logged in and the anti-forgery token of the session."""
    if call.session is None:
        raise no_session()
    left = call.desk.sessions.seconds_left(call.session)
    return json_answer(
        {
            "who": call.session.who,
            "csrf_token": call.session.csrf,
            "seconds_left": round(left),
            "mode": call.desk.settings.mode,
        }
    )
