"""The record in etcd, for several instances on several machines.

Through its documented HTTP gateway (etcd.io, *gRPC gateway*): keys and values in base64, numbers as strings.
Who acts holds a key that lives as long as its lease; the record is replaced by a transaction that compares
how often its key was written, which is the record's version. Reads are linearizable, as etcd's are by
default.
"""

from __future__ import annotations

import asyncio
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import httpx

from viewservice import codec
from viewservice.record import EMPTY, Record

from .base import Store, StoreError

LEASE = 5
"""Seconds after which etcd lets go of the place of an instance that gives no sign of life."""
TIMEOUT = 2.0


class EtcdStore(Store):
    """``endpoints``: URLs of etcd's members; ``prefix``: where its two keys are."""

    kind = "etcd"

    def __init__(self, endpoints: Sequence[str], prefix: str = "/pbproto/view/", name: str = "") -> None:
        if not endpoints:
            raise StoreError("etcd needs an endpoint")
        self._endpoints = [endpoint.rstrip("/") for endpoint in endpoints]
        self._record_key = _text(f"{prefix}record")
        self._leader_key = _text(f"{prefix}leader")
        self._name = name or f"{os.getpid()}-{os.urandom(4).hex()}"
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._lease = ""
        self._again = asyncio.Event()

    async def campaign(self, lead: Callable[[Record | None], None]) -> None:
        leading = False
        while True:
            if self._again.is_set():
                self._again.clear()
                leading = False
            record = None
            try:
                record = await self._hold()
            except codec.RecordError as error:
                raise StoreError(f"{self._endpoints[0]}: {error}") from error
            except (httpx.HTTPError, _EtcdError, ValueError, KeyError, IndexError):
                self.errors += 1
                self._lease = ""
            if record is None and leading:
                lead(None)
            elif record is not None and not leading:
                lead(record)
            leading = record is not None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), LEASE / 5)

    async def _hold(self) -> Record | None:
        """The record if this instance acts now."""
        if self._lease:
            answer = await self._ask("/v3/lease/keepalive", {"ID": self._lease})
            if int(answer.get("result", {}).get("TTL", 0)) <= 0:
                self._lease = ""
        if not self._lease:
            self._lease = str((await self._ask("/v3/lease/grant", {"TTL": LEASE}))["ID"])
        free = {"key": self._leader_key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}
        put = {"key": self._leader_key, "value": _text(self._name), "lease": self._lease}
        answer = await self._ask(
            "/v3/kv/txn",
            {
                "compare": [free],
                "success": [{"request_put": put}, {"request_range": {"key": self._record_key}}],
                "failure": [
                    {"request_range": {"key": self._leader_key}},
                    {"request_range": {"key": self._record_key}},
                ],
            },
        )
        first, second = answer["responses"]
        if not answer.get("succeeded"):
            holder = first["response_range"].get("kvs", [{}])[0]
            if holder.get("value") != _text(self._name) or str(holder.get("lease", "")) != self._lease:
                return None
        return _record(second["response_range"])

    async def write(self, record: Record) -> Record | None:
        known = {
            "key": self._record_key,
            "target": "VERSION",
            "result": "EQUAL",
            "version": str(record.version - 1),
        }
        put = {"key": self._record_key, "value": _text(codec.dump(record))}
        try:
            answer = await self._ask(
                "/v3/kv/txn",
                {
                    "compare": [known],
                    "success": [{"request_put": put}],
                    "failure": [{"request_range": {"key": self._record_key}}],
                },
                once=True,
            )
            if answer.get("succeeded"):
                return record
            return _record(answer["responses"][0]["response_range"])
        except (httpx.HTTPError, _EtcdError, ValueError, KeyError, IndexError):
            self.errors += 1
            return None

    async def _ask(self, path: str, document: dict[str, Any], *, once: bool = False) -> dict[str, Any]:
        """Ask one member after the other; a write is asked ``once``, since nobody knows what became of it."""
        trouble: Exception = _EtcdError("there is no endpoint")
        for _ in range(len(self._endpoints)):
            try:
                response = await self._client.post(self._endpoints[0] + path, json=document)
                if response.status_code == 200:
                    found: dict[str, Any] = response.json()
                    return found
                trouble = _EtcdError(f"{response.status_code}: {response.text[:200]}")
            except httpx.HTTPError as error:
                trouble = error
            # The next one is asked first from now on.
            self._endpoints.append(self._endpoints.pop(0))
            if once and not isinstance(trouble, httpx.ConnectError):
                break
        raise trouble

    def resign(self) -> None:
        self._again.set()

    async def close(self) -> None:
        if self._lease:
            with suppress(httpx.HTTPError, _EtcdError):
                await self._ask("/v3/lease/revoke", {"ID": self._lease})
        await self._client.aclose()


class _EtcdError(Exception):
    """etcd answers, but not with what was asked for."""


def _text(text: str) -> str:
    return b64encode(text.encode()).decode()


def _record(answer: dict[str, Any]) -> Record:
    kvs = answer.get("kvs", [])
    if not kvs:
        return EMPTY
    record = codec.load(b64decode(kvs[0]["value"]).decode())
    if record.version != int(kvs[0]["version"]):
        raise codec.RecordError(
            f"record {record.version} was written {kvs[0]['version']} times: somebody else writes to its key"
        )
    return record
