"""Hides what clients stored in a recording, so that the recording still replays.

A byte string is replaced by one of the same length that depends on it and on a secret *salt* which is not
kept: equal strings stay equal within one recording, different ones different, and lengths, which decide
about batches and limits, stay as they are. Who has only the recording cannot try short secrets out.

The replica looks at values in one way only: whether the fingerprints of two operations are equal. They are
digests of what was hidden, so they are hidden as well, and a replay looks the hidden fingerprint of an
operation up instead of computing it (a snapshot brings fingerprints of operations that nobody saw here).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import TypeVar
from zlib import crc32

from .effects import Effect, Listing, Reply, Send, Value
from .events import Batch, Delete, Event, Get, GetAll, Put, Receive, Request
from .messages import Forward, KeyRecord, LogChunk, Message, Replicate, SnapshotChunk
from .state import Lead, State, Waiter
from .store import fingerprint
from .values import Operation

SHORT = 10
"""Bytes below which digests of two strings might be the same; these are permuted instead."""
ROUNDS = 8
REMEMBERED = 4096
MIN_SALT_BYTES = 16
FINGERPRINT_BYTES = 16

Write = TypeVar("Write", Put, Delete)


class Redactor:
    """Hides values and, if ``keys``, keys, idempotency keys and trace contexts. ``salt`` is secret, random.

    Addresses, ids and lengths are not hidden.
    """

    def __init__(self, salt: bytes, keys: bool) -> None:
        if not MIN_SALT_BYTES <= len(salt) <= blake2b.MAX_KEY_SIZE:
            raise ValueError("a salt has 16 to 64 bytes")
        self._salt = salt
        self._mix = blake2b(digest_size=8, key=salt)
        self.keys = keys
        self._short: dict[bytes, bytes] = {}
        """Short strings that were hidden lately: they are the slow ones, and come again and again."""

    def hide(self, data: bytes) -> bytes:
        """A byte string of the same length that tells nothing else about ``data``."""
        size = len(data)
        if size < SHORT:
            hidden = self._short.get(data)
            if hidden is None:
                if len(self._short) >= REMEMBERED:
                    self._short.clear()
                hidden = self._short[data] = self._permute(data)
            return hidden
        seed = blake2b(data, key=self._salt).digest()
        return seed[:size] if size <= len(seed) else (seed * (size // len(seed) + 1))[:size]

    def _permute(self, data: bytes) -> bytes:
        """A permutation of the strings of this length (Luby and Rackoff 1988: a Feistel network)."""
        size = len(data)
        half = 4 * size  # bits
        mask = (1 << half) - 1
        number = int.from_bytes(data, "big")
        left, right = number >> half, number & mask
        for turn in range(ROUNDS):
            mix = self._mix.copy()
            mix.update(bytes((size, turn)) + right.to_bytes(8, "big"))
            left, right = right, left ^ (int.from_bytes(mix.digest(), "big") & mask)
        return (left << half | right).to_bytes(size, "big")

    def key(self, key: bytes) -> bytes:
        """A key, an idempotency key or a trace context: what a client may name things with."""
        return self.hide(key) if self.keys else key

    def place(self, key: bytes) -> int:
        """Where the map of the recorded replica has to put a key: where its replay puts the hidden one.

        Else the two would send their items in different order, and not as many of them in a chunk.
        """
        return crc32(self.key(key))

    def fingerprint(self, digest: bytes) -> bytes:
        """The digest of an operation."""
        return blake2b(digest, digest_size=FINGERPRINT_BYTES, key=self._salt).digest()

    def named(self, event: Event) -> list[bytes]:
        """The hidden fingerprints of an event's operations that have an idempotency key, in order."""
        return [self.fingerprint(fingerprint(operation)) for operation in operations_of(event)]

    # What has keys and values in it.

    def operation(self, operation: Operation) -> Operation:
        origin, incarnation, counter, settled, key, value, name = operation
        value = value if value is None else self.hide(value)
        return Operation(origin, incarnation, counter, settled, self.key(key), value, self.key(name))

    def pair(self, pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
        return (self.key(pair[0]), self.hide(pair[1]))

    def key_record(self, record: KeyRecord) -> KeyRecord:
        return KeyRecord(
            self.key(record.idempotency_key), self.fingerprint(record.fingerprint), record.result
        )

    def message(self, message: Message) -> Message:
        match message:
            case Replicate() | LogChunk():
                return replace(message, operations=tuple(map(self.operation, message.operations)))
            case Forward():
                operation, trace = self.operation(message.operation), self.key(message.trace)
                return replace(message, operation=operation, trace=trace)
            case SnapshotChunk():
                pairs = tuple(map(self.pair, message.pairs))
                return replace(message, pairs=pairs, keys=tuple(map(self.key_record, message.keys)))
            case _:
                return message

    def request(self, request: Request) -> Request:
        match request:
            case Put():
                return replace(self._write(request), value=self.hide(request.value))
            case Delete():
                return self._write(request)
            case Get():
                return replace(request, key=self.key(request.key))
            case _:
                return request

    def _write(self, request: Write) -> Write:
        key, name, trace = map(self.key, (request.key, request.idempotency_key, request.trace))
        return replace(request, key=key, idempotency_key=name, trace=trace)

    def event(self, event: Event) -> Event:
        match event:
            case Put() | Delete() | Get() | GetAll():
                return self.request(event)
            case Batch():
                return replace(event, requests=tuple(map(self.request, event.requests)))
            case Receive():
                return replace(event, message=self.message(event.message))
            case _:
                return event

    def effect(self, effect: Effect) -> Effect:
        if isinstance(effect, Send):
            return replace(effect, message=self.message(effect.message))
        if isinstance(effect, Reply):
            outcome = effect.outcome
            if isinstance(outcome, Value) and outcome.value is not None:
                return replace(effect, outcome=replace(outcome, value=self.hide(outcome.value)))
            if isinstance(outcome, Listing):
                return replace(effect, outcome=replace(outcome, items=self.pairs(outcome.items)))
        return effect

    def pairs(self, items: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        return dict(map(self.pair, items.items()))

    def state(self, state: State) -> State:
        """A copy of the state, hidden but for the map, the log and the remembered answers."""
        clients = {counter: self._waiter(waiter) for counter, waiter in state.waiting.clients.items()}
        lead = state.lead
        hidden = None if lead is None else self._lead(lead)
        return replace(state, waiting=replace(state.waiting, clients=clients), lead=hidden)

    def _waiter(self, waiter: Waiter) -> Waiter:
        operation = waiter.operation if waiter.operation is None else self.operation(waiter.operation)
        key = waiter.key if waiter.key is None else self.key(waiter.key)
        return replace(waiter, operation=operation, key=key, trace=self.key(waiter.trace))

    def _lead(self, lead: Lead) -> Lead:
        claimed = {
            self.key(name): (self.fingerprint(digest), position)
            for name, (digest, position) in lead.claimed.items()
        }
        parked = {
            request: replace(write, operation=self.operation(write.operation))
            for request, write in lead.parked.items()
        }
        return replace(lead, claimed=claimed, parked=parked)


def operations_of(event: Event) -> list[Operation]:
    """An event's operations that have an idempotency key, in order; of a client's request the content."""
    operations: tuple[Operation, ...] = ()
    match event:
        case Put():
            operations = (Operation(0, 0, 0, 0, event.key, event.value, event.idempotency_key),)
        case Delete():
            operations = (Operation(0, 0, 0, 0, event.key, None, event.idempotency_key),)
        case Batch():
            return [operation for request in event.requests for operation in operations_of(request)]
        case Receive(message=Replicate() | LogChunk() as message):
            operations = message.operations
        case Receive(message=Forward() as message):
            operations = (message.operation,)
        case _:
            pass
    return [operation for operation in operations if operation.idempotency_key]
