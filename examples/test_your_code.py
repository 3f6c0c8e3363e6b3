"""How to test code of your own that uses the store: a failover, an unknown outcome, a slow backup.

``pip install 'pbproto[testing]'`` brings the fixture ``pbkv_cluster``: three nodes in the process of the
test, in virtual time. Run with ``pytest examples/test_your_code.py``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest

from pbkv.testing import Cluster

# What would be a module of yours.


class NotPlacedError(Exception):
    """After so many attempts nobody knows whether the order was placed."""


class Orders:
    """Places orders in the store, each exactly once."""

    def __init__(
        self, http: httpx.Client, nodes: list[str], sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._http = http
        self._nodes = nodes
        self._sleep = sleep

    def place(self, number: str, what: str, attempts: int = 10) -> int:
        """Place an order; its position among all writes. Raises ``NotPlacedError``."""
        for attempt in range(attempts):
            node = self._nodes[attempt % len(self._nodes)]
            try:
                response = self._http.put(
                    f"{node}/data/orders/{number}",
                    json={"value": what},
                    # The same in each attempt: whichever of them arrives, the order is placed once.
                    headers={"Idempotency-Key": f"order-{number}"},
                )
            except httpx.TransportError:
                pass  # it may have been placed or not: try again, at the next node
            else:
                if response.status_code < 500:
                    response.raise_for_status()
                    return int(response.headers["Msg-Num"])
            self._sleep(0.2)
        raise NotPlacedError(number)


# How it is tested.


@pytest.fixture
def orders(pbkv_cluster: Cluster) -> Orders:
    """The code under test on a virtual cluster: its transport, its URLs, its time."""
    http = httpx.Client(transport=pbkv_cluster.transport(), timeout=3.0)
    return Orders(http, pbkv_cluster.urls, pbkv_cluster.sleep)


def test_orders_survive_a_failover(orders: Orders, pbkv_cluster: Cluster) -> None:
    """The primary dies between two orders: both are there, and the first node is passed over."""
    orders.place("1", "tea")
    pbkv_cluster.fail_over()
    orders.place("2", "milk")
    assert pbkv_cluster.primary == 2
    assert pbkv_cluster.data() == {"orders/1": "tea", "orders/2": "milk"}


def test_an_order_whose_answer_is_lost_is_placed_once(orders: Orders, pbkv_cluster: Cluster) -> None:
    """The first attempt takes effect and nobody hears of it: the second one gets the answer of the first."""
    pbkv_cluster.lose_answer()
    assert orders.place("1", "tea") == 0
    assert orders.place("2", "milk") == 1, "there was a write between the two"
    assert pbkv_cluster.clock() > 3.0, "the first attempt has waited for its timeout"


def test_a_slow_backup_is_waited_for(orders: Orders, pbkv_cluster: Cluster) -> None:
    """Nothing is acknowledged before all nodes have it: a write takes as long as the slowest of them."""
    pbkv_cluster.slow(3, 2.0)
    assert orders.place("1", "tea") == 0
    assert 2.0 < pbkv_cluster.clock() < 3.0


def test_nobody_is_told_of_an_order_that_may_not_be_there(orders: Orders, pbkv_cluster: Cluster) -> None:
    """While a backup is away writes wait. When it is back, what nobody knew of is there once."""
    pbkv_cluster.pause(3)
    with pytest.raises(NotPlacedError):
        orders.place("1", "tea", attempts=2)
    pbkv_cluster.resume(3)
    assert orders.place("1", "tea") == 0
    assert pbkv_cluster.data() == {"orders/1": "tea"}


def test_a_write_and_a_failover_at_the_same_time(pbkv_cluster: Cluster) -> None:
    """With asyncio: the write waits at node 2 for a slow primary, which dies meanwhile."""

    async def die() -> None:
        await pbkv_cluster.async_sleep(0.5)
        pbkv_cluster.fail_over(1)

    async def both() -> httpx.Response:
        async with pbkv_cluster.async_http(2) as http:
            response, _ = await asyncio.gather(http.put("/data/k", json={"value": "v"}), die())
            return response

    pbkv_cluster.slow(1, 2.0)
    assert asyncio.run(both()).status_code == 201
    assert 0.5 < pbkv_cluster.clock() < 1.0
