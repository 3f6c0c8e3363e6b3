"""The feature-flag service, in this process."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart

from examples.flags import PREFIX, Flag, Flags, create_app
from pbkv.testing import Cluster

ADMIN = {"Authorization": "Bearer of-a-test"}


@pytest.fixture
async def app(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Quart]:
    """The service, in a view of its node alone."""
    monkeypatch.setenv("FLAGS_TOKEN", "of-a-test")
    made = create_app(id=1, scope=uuid.uuid4().hex)
    async with made.test_app():
        await made.extensions["pbproto"].tell_view({1: "127.0.0.1:9"})
        yield made


async def on(app: Quart, name: str, user: str) -> Any:
    answer = await app.test_client().get(f"/flags/{name}?user={user}")
    assert answer.status_code == 200
    return (await answer.get_json())["on"]


async def test_a_flag_from_its_setting_to_its_end(app: Quart) -> None:
    """Goal: what the admin says holds with the next question. Method: set, ask, list, change, remove."""
    client = app.test_client()
    path = "/admin/flags/new"
    assert await on(app, "new", "ada") is False
    assert (await client.put(path, json={"users": ["ada"]}, headers=ADMIN)).status_code == 200
    assert await on(app, "new", "ada") is True
    assert await on(app, "new", "bob") is False
    assert (await client.put(path, json={"percent": 100}, headers=ADMIN)).status_code == 200
    assert await on(app, "new", "bob") is True
    listed = await client.get("/admin/flags", headers=ADMIN)
    assert await listed.get_json() == {"new": {"percent": 100, "users": []}}
    assert (await client.delete(path, headers=ADMIN)).status_code == 204
    assert (await client.delete(path, headers=ADMIN)).status_code == 404
    assert await on(app, "new", "ada") is False


@pytest.mark.parametrize(
    "document", [[], {"percent": 101}, {"percent": True}, {"users": "ada"}, {"on": True}]
)
async def test_a_bad_flag_changes_nothing(app: Quart, document: Any) -> None:
    """Goal: a typing error turns nothing on. Method: documents that are no flags."""
    answer = await app.test_client().put("/admin/flags/new", json=document, headers=ADMIN)
    assert answer.status_code == 400
    assert (await app.extensions["pbproto"].items()).items == {}


async def test_only_the_admin_changes_flags(app: Quart) -> None:
    """Goal: the admin's routes take a token. Method: none, and a wrong one."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer ä"}):
        for method in ("PUT", "DELETE"):
            answer = await app.test_client().open("/admin/flags/x", method=method, json={}, headers=headers)
            assert answer.status_code == 401


def test_a_higher_percentage_only_adds_users() -> None:
    """Goal: nobody loses a feature when more get it. Method: 2,000 users at rising percentages."""
    users = [f"user {number}" for number in range(2000)]
    before: set[str] = set()
    for percent in (0, 1, 10, 50, 99, 100):
        having = {user for user in users if Flag(percent).on_for("a", user)}
        assert before <= having
        # Five standard deviations, which are at most 22 users.
        assert abs(len(having) - 20 * percent) <= 112
        before = having
    assert before == set(users)
    half = [{user for user in users if Flag(50).on_for(name, user)} for name in ("a", "b")]
    assert abs(len(half[0] & half[1]) - 500) <= 112, "flags choose their users independently"


def test_an_old_flag_is_better_than_none() -> None:
    """Goal: while the store cannot answer, what was seen last counts. Method: cut a client off, ask again."""
    import asyncio

    cluster = Cluster(1)

    async def main() -> None:
        flags = Flags(cluster.async_client())
        await flags.set("new", Flag(100))
        assert await flags.read("new") == (Flag(100), True)
        cluster.isolate(1)
        assert await flags.read("new") == (Flag(100), False)
        assert await flags.read("other") == (Flag(0), False)
        cluster.heal()
        assert await flags.remove("new")
        assert await flags.read("new") == (Flag(0), True)

    asyncio.run(main())
    assert PREFIX + "new" not in cluster.data()
