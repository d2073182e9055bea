"""Who gets in, how fast, and what is refused before a handler runs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.dispatch import ApiRoute, Permission
from api.routes import ROUTES
from domain.events.controls import LoginFailed, LoginSucceeded
from store.contract import Selection


def _url(route: ApiRoute) -> str:
    some = str(uuid4())
    return route.path.format(event_id=some, feed="uw.socket", position_id=some, alert_id=some)


def _body(route: ApiRoute) -> dict[str, Any]:
    if route.path.endswith("/acknowledge"):
        return {"comment": "a test walks the table"}
    body: dict[str, Any] = {"reason": "a test walks the table"}
    if route.path.endswith("/release"):
        body["password"] = "correct horse battery"
    return body


async def _ask(
    client: httpx.AsyncClient, route: ApiRoute, headers: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    json = _body(route) if route.body is not None else None
    async with client.stream(route.method, _url(route), json=json, headers=headers) as answer:
        is_json = answer.headers["content-type"] == "application/json"
        if answer.status_code < 400 or not is_json:
            return answer.status_code, {}
        await answer.aread()
        return answer.status_code, answer.json()


def _id(route: ApiRoute) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("permission", list(Permission))
def test_the_route_table_uses_every_permission(permission: Permission) -> None:
    assert any(route.permission is permission for route in ROUTES)


async def test_every_route_answers_as_its_permission_says_without_a_session(api: Any) -> None:
    for route in ROUTES:
        headers = {"Idempotency-Key": uuid4().hex, "X-CSRF": "0" * 64}
        status, error = await _ask(api.client, route, headers)
        if route.permission in (Permission.SESSION, Permission.CONTROL):
            assert (status, error["error"]) == (401, "no_session"), _id(route)
            assert error["detail"] and error["remedy"] and error["request_id"]
        elif route.path == "/api/v1/login":
            assert status == 400, _id(route)
        else:
            assert status == 200, _id(route)
    assert await api.store.read(0, Selection(streams=("control/api",))) == []


async def test_every_control_is_refused_without_its_token_and_from_elsewhere(api: Any) -> None:
    await api.login()
    controls = [route for route in ROUTES if route.permission is Permission.CONTROL]
    assert len(controls) >= 8
    for route in controls:
        key = {"Idempotency-Key": uuid4().hex}
        status, error = await _ask(api.client, route, key | {"X-CSRF": "0" * 64})
        assert (status, error["error"]) == (403, "csrf"), _id(route)
        status, error = await _ask(api.client, route, key)
        assert (status, error["field"]) == (403, "X-CSRF"), _id(route)
        right = {"X-CSRF": api.csrf}
        for foreign in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            status, error = await _ask(api.client, route, key | right | foreign)
            assert (status, error["error"]) == (403, "foreign_origin"), _id(route)
        status, error = await _ask(api.client, route, right)
        assert (status, error["field"]) == (400, "Idempotency-Key"), _id(route)
        wrong = await api.client.get(_url(route))
        assert wrong.status_code in (404, 405), _id(route)
    assert await api.store.read(0, Selection(streams=("control/api",))) == []


async def test_every_route_with_a_session_answers_without_a_defect(api: Any) -> None:
    await api.login()
    for route in ROUTES:
        if route.path.endswith("/logout"):
            continue
        headers = {"Idempotency-Key": uuid4().hex, "X-CSRF": api.csrf}
        status, error = await _ask(api.client, route, headers)
        assert status < 500, (_id(route), error)
        assert status not in (401, 403, 405, 415), (_id(route), error)


async def test_login_sets_a_strict_cookie_that_scripts_cannot_read(api: Any) -> None:
    body = {"name": "operator", "password": "correct horse battery"}
    answer = await api.client.post("/api/v1/login", json=body)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    token = answer.cookies["ops"]
    assert len(token) >= 43 and token not in answer.text
    events = await api.store.read(0, Selection(types=frozenset({"LoginSucceeded"})))
    assert [event.body for event in events] == [LoginSucceeded(who="operator", address="127.0.0.1")]
    assert token not in events[0].body.model_dump_json()


async def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(api: Any) -> None:
    answers = []
    for name in ("operator", "somebody"):
        body = {"name": name, "password": "not the password"}
        answer = await api.client.post("/api/v1/login", json=body)
        shown = {k: v for k, v in answer.json().items() if k != "request_id"}
        answers.append((answer.status_code, shown))
    assert answers[0] == answers[1] and answers[0][0] == 401
    failed = await api.store.read(0, Selection(types=frozenset({"LoginFailed"})))
    assert [e.body.who for e in failed if isinstance(e.body, LoginFailed)] == [
        "operator",
        "unknown",
    ]


async def test_tries_are_held_up_longer_each_time_and_never_for_good(api: Any) -> None:
    wrong = {"name": "operator", "password": "not the password"}
    statuses = [(await api.client.post("/api/v1/login", json=wrong)).status_code for _ in range(6)]
    assert statuses == [401, 401, 401, 429, 429, 429]
    held = await api.client.post("/api/v1/login", json=wrong)
    assert int(held.headers["retry-after"]) >= 1
    for _ in range(10):
        api.skip(31)
        assert (await api.client.post("/api/v1/login", json=wrong)).status_code == 401
    api.skip(31)
    await api.login()


async def test_a_session_ends_when_idle_and_at_its_age(api: Any) -> None:
    await api.login()
    api.skip(29 * 60)
    assert (await api.get("/session")).status_code == 200
    api.skip(29 * 60)
    background = await api.client.get("/api/v1/session", headers={"X-Background": "1"})
    assert background.status_code == 200
    api.skip(2 * 60)
    assert (await api.get("/session")).status_code == 401
    await api.login()
    for _ in range(25):
        api.skip(29 * 60)
        last = (await api.get("/session")).status_code
    assert last == 401


async def test_a_token_is_worth_nothing_after_logout(api: Any) -> None:
    await api.login()
    token = api.client.cookies["ops"]
    assert (await api.client.post("/api/v1/logout")).status_code == 200
    api.client.cookies.set("ops", token)
    assert (await api.get("/session")).status_code == 401


async def test_a_foreign_host_name_is_refused(api: Any) -> None:
    answer = await api.client.get("/healthz", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["error"]) == (421, "wrong_host")


async def test_every_answer_carries_the_security_headers(api: Any) -> None:
    for path in ("/healthz", "/", "/api/v1/nothing", "/api/v1/session"):
        answer = await api.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert len(answer.headers["x-request-id"]) == 16


async def test_the_description_lists_every_route_with_its_permission(api: Any) -> None:
    described = (await api.client.get("/api/v1/openapi.json")).json()
    listed = {
        (method.upper(), path, operation["x-permission"])
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert listed == {(r.method, r.path, r.permission.value) for r in ROUTES}
    halt = described["paths"]["/api/v1/halt"]["post"]
    schema = halt["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["reason"]["minLength"] == 8


async def test_the_mode_is_told_before_anybody_has_logged_in(api: Any) -> None:
    """Nobody shall type the password of one desk into another, or halt the wrong one."""
    assert (await api.client.get("/healthz")).json() == {"status": "ok", "mode": "sandbox"}
    for _ in range(2):
        page = (await api.client.get("/halt")).text
        assert "<title>Striketape SANDBOX: halt</title>" in page
        assert "<strong>SANDBOX</strong>" in page
        await api.login()
