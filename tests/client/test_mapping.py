"""The store as a mapping, over a real node in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping

import httpx
import pytest

from pbkv import Client, StoreMapping, Unavailable

from .desk import A, OneNode, client_of, no_connection


@pytest.fixture
def node() -> OneNode:
    return OneNode()


@pytest.fixture
def client(node: OneNode) -> Iterator[Client]:
    with client_of(node) as client:
        yield client


def test_it_is_a_mapping(client: Client) -> None:
    """Goal: what works with a dict works. Method: the operations of a dict, beside a dict."""
    store: MutableMapping[str, str] = client.mapping()
    model: dict[str, str] = {}
    for each in (store, model):
        each["a"] = "1"
        each.update({"b": "2", "c": "3"}, d="4")
        del each["a"]
        assert each.pop("b") == "2"
        assert each.pop("b", None) is None
        assert each.setdefault("c", "9") == "3"
        assert each.setdefault("e", "5") == "5"
        assert each.get("nothing") is None
        assert each.get("nothing", "x") == "x"
        assert "c" in each
        assert "nothing" not in each
        number: object = 3
        assert number not in each
        assert "" not in each
        with pytest.raises(KeyError):
            each["nothing"]
        with pytest.raises(KeyError):
            del each["nothing"]
        with pytest.raises(KeyError):
            each.pop("nothing")
    assert store == model
    assert dict(store.items()) == model
    assert dict(store) == model
    assert sorted(store) == sorted(model)
    assert len(store) == len(model)
    key, value = store.popitem()
    assert model.pop(key) == value
    store.clear()
    assert not store
    with pytest.raises(KeyError):
        store.popitem()


def test_a_prefix_is_a_room_of_its_own(client: Client) -> None:
    """Goal: users of one store stay apart. Method: two prefixes, and keys outside."""
    mine, yours = client.mapping("mine/"), client.mapping("yours/")
    mine["k"] = "1"
    yours["k"] = "2"
    client.put("k", "3")
    assert mine.snapshot() == {"k": "1"}
    assert (len(yours), list(yours.values())) == (1, ["2"])
    mine.clear()
    assert client.items().items == {"yours/k": "2", "k": "3"}


def test_what_goes_through_all_keys_is_one_listing(client: Client, node: OneNode) -> None:
    """Goal: one point of the order. Method: count requests; write while somebody iterates."""
    store = client.mapping()
    store.update({str(number): "v" for number in range(10)})
    for look in (
        lambda each: [*iter(each)],
        len,
        lambda each: list(each.items()),
        lambda each: list(each.values()),
        lambda each: each == {},
    ):
        del node.targets[:]
        look(store)
        assert node.targets == [b"/data"]
    for key in store:
        store[f"{key}x"] = "v"
    assert len(store) == 20


def test_of_two_that_pop_one_gets_it() -> None:
    """Goal: no value is handed out twice. Method: somebody deletes between the two halves of a pop."""
    node = OneNode()

    def between(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            node(request)
            request.headers["Idempotency-Key"] = "another"
        return node(request)

    with Client([A], transport=httpx.MockTransport(between)) as client:
        store = client.mapping()
        store["k"] = "v"
        with pytest.raises(KeyError):
            store.pop("k")


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store["k"],
        lambda store: store.get("k"),
        lambda store: "k" in store,
        len,
        lambda store: store.setdefault("k", "v"),
        lambda store: store.pop("k", None),
    ],
)
def test_trouble_is_not_a_missing_key(act: Callable[[StoreMapping], object]) -> None:
    """Goal: nobody takes an outage for an empty store. Method: no node there, each way to look."""
    with (
        Client([A], transport=httpx.MockTransport(no_connection), timeout=0.05) as client,
        pytest.raises(Unavailable),
    ):
        act(client.mapping())
