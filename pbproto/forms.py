"""Values as bytes by their declared types, and back: what a recording is made of.

A class is written field by field in the order of its declaration, each field in the form of its type; nothing
is written that is not declared, so whatever a class gets later is written as well. Layout, big-endian::

    int      length u8 | two's complement of that many bytes, as few as will do
    bool     u8, 0 or 1        bytes, str (UTF-8)    length u32 | bytes
    X | Y    number of the alternative u8 | it      enum    number of the member u8
    several  count u32 | them, in order; a deque begins with its longest length + 1, or 0

Equal values have equal bytes. Bytes are read into the declared classes and into nothing else: reading
executes nothing they say. Whatever does not fit raises ``FormError``.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from struct import Struct
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

FEW = 8
"""In a brief form a longer collection is written as its length."""
MAX_INT_BYTES = 16

_BYTE = [bytes([number]) for number in range(256)]
_U32 = Struct(">I")
_UNION = type(int | None)


class FormError(ValueError):
    """The bytes are not the form of the type."""


class Reader:
    """Takes values off the front of ``data`` and never reads past ``end``."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    def take(self, count: int) -> bytes:
        start = self.at
        if count > self.end - start:
            raise FormError("a value ends too early")
        self.at = start + count
        return self.data[start : self.at]

    def u8(self) -> int:
        return self.take(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def count(self) -> int:
        """How many items follow; each takes a byte at least, so that a lie allocates nothing."""
        count = self.u32()
        if count > self.end - self.at:
            raise FormError("a count is larger than what follows")
        return count


Parts = list[bytes]


class Form(NamedTuple):
    """How the values of one type are written and read."""

    write: Callable[[Parts, Any], None]
    read: Callable[[Reader], Any]

    def dump(self, value: Any) -> bytes:
        """The bytes of ``value``."""
        parts: Parts = []
        self.write(parts, value)
        return b"".join(parts)

    def load(self, data: bytes) -> Any:
        """The value whose bytes ``data`` is. Raises ``FormError``."""
        reader = Reader(data)
        value = self.next(reader)
        if reader.at != reader.end:
            raise FormError("something follows the value")
        return value

    def next(self, reader: Reader) -> Any:
        """The next value of ``reader``. Raises ``FormError``, also for what a class does not accept."""
        try:
            return self.read(reader)
        except FormError:
            raise
        except (ValueError, OverflowError) as error:
            raise FormError(f"a field has a value that it cannot have: {error}") from error


def write_int(parts: Parts, value: int) -> None:
    """Write an integer of any size."""
    size = value.bit_length() // 8 + 1
    parts.append(_BYTE[size] + value.to_bytes(size, "big", signed=True))


def read_int(reader: Reader) -> int:
    """Read what ``write_int`` wrote."""
    size = reader.u8()
    if size > MAX_INT_BYTES:
        raise FormError("an integer is too long")
    return int.from_bytes(reader.take(size), "big", signed=True)


def write_bytes(parts: Parts, value: bytes) -> None:
    """Write a byte string."""
    parts += (_U32.pack(len(value)), value)


def read_bytes(reader: Reader) -> bytes:
    """Read what ``write_bytes`` wrote."""
    return reader.take(reader.u32())


def _read_bool(reader: Reader) -> bool:
    value = reader.u8()
    if value > 1:
        raise FormError("a truth value is neither 0 nor 1")
    return value == 1


INT = Form(write_int, read_int)
BYTES = Form(write_bytes, read_bytes)
STR = Form(
    lambda parts, value: write_bytes(parts, value.encode()), lambda reader: read_bytes(reader).decode()
)
BOOL = Form(lambda parts, value: parts.append(b"\x01" if value else b"\x00"), _read_bool)
NONE = Form(lambda _parts, _value: None, lambda _reader: None)
LENGTH = Form(lambda parts, value: write_int(parts, len(value)), read_int)
"""What a brief form says of a byte string. Only to be compared, like every brief form."""


class Forms:
    """Makes the forms of types, each once. ``special`` has those that are not to be derived.

    ``brief``: of byte strings and long collections only the length, for a digest of a large state that
    costs little. It can be written and compared, not read.
    """

    def __init__(self, special: Mapping[Any, Form], brief: bool = False) -> None:
        self._brief = brief
        self._forms: dict[Any, Form] = {
            int: INT,
            bool: BOOL,
            str: STR,
            None: NONE,  # as dict[…, None] names it
            type(None): NONE,
            bytes: LENGTH if brief else BYTES,
            **special,
        }
        self.declared: list[str] = []
        """The classes and unions met so far, as text: equal texts read each other's bytes."""

    def of(self, hint: Any) -> Form:
        """The form of the values of a type. Raises ``TypeError`` for one that has none."""
        form = self._forms.get(hint)
        if form is None:
            form = self._forms[hint] = self._make(hint)
        return form

    def _make(self, hint: Any) -> Form:
        origin, arguments = get_origin(hint), get_args(hint)
        if isinstance(hint, _UNION):
            return self._union(arguments)
        if origin is tuple and arguments[-1] is not Ellipsis:
            return _fixed(tuple, [self.of(argument) for argument in arguments])
        if origin is deque:
            return self._deque(self.of(arguments[0]))
        if origin in (list, tuple):
            return self._several(self.of(arguments[0]), lambda values: values, origin)
        if origin in (dict, OrderedDict, Mapping):
            make = OrderedDict if origin is OrderedDict else dict
            return self._several(_fixed(tuple, [self.of(each) for each in arguments]), _pairs, make)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return self._enum(hint)
        if isinstance(hint, type) and (is_dataclass(hint) or hasattr(hint, "_fields")):
            return self._class(hint)
        raise TypeError(f"{hint!r} has no form")

    def _several(self, item: Form, items: Callable[[Any], Iterable[Any]], make: Callable[..., Any]) -> Form:
        write_one = item.write
        most = FEW if self._brief else 2**32

        def write(parts: Parts, values: Any) -> None:
            parts.append(_U32.pack(len(values)))
            if len(values) <= most:
                for value in items(values):
                    write_one(parts, value)

        def read(reader: Reader) -> Any:
            return make([item.read(reader) for _ in range(reader.count())])

        return Form(write, read)

    def _deque(self, item: Form) -> Form:
        inner = self._several(item, lambda values: values, list)

        def write(parts: Parts, values: Any) -> None:
            write_int(parts, 0 if values.maxlen is None else values.maxlen + 1)
            inner.write(parts, values)

        def read(reader: Reader) -> Any:
            longest = read_int(reader)
            return deque(inner.read(reader), longest - 1 if longest else None)

        return Form(write, read)

    def _union(self, alternatives: tuple[Any, ...]) -> Form:
        classes = [get_origin(each) or each for each in alternatives]
        self.declared.append(" | ".join([_text(class_) for class_ in classes]))
        forms = [self.of(each) for each in alternatives]
        writers = [form.write for form in forms]
        numbers: dict[type, int] = {class_: number for number, class_ in enumerate(classes)}

        def write(parts: Parts, value: Any) -> None:
            number = numbers.get(type(value))
            if number is None:  # of a class derived from one of them
                number = next(index for index, class_ in enumerate(classes) if isinstance(value, class_))
            parts.append(_BYTE[number])
            writers[number](parts, value)

        def read(reader: Reader) -> Any:
            number = reader.u8()
            if number >= len(forms):
                raise FormError(f"there is no alternative {number}")
            return forms[number].read(reader)

        return Form(write, read)

    def _enum(self, class_: type[Enum]) -> Form:
        members = list(class_)
        numbers = {member: _BYTE[number] for number, member in enumerate(members)}
        self.declared.append(f"{class_.__name__}: {[member.name for member in members]}")

        def read(reader: Reader) -> Enum:
            number = reader.u8()
            if number >= len(members):
                raise FormError(f"{class_.__name__} has no member {number}")
            return members[number]

        return Form(lambda parts, value: parts.append(numbers[value]), read)

    def _class(self, class_: type) -> Form:
        hints = get_type_hints(class_)
        texts = [f"{name}: {_text(hint)}" for name, hint in class_.__annotations__.items()]
        self.declared.append(f"{class_.__name__}({', '.join(texts)})")
        forms = [self.of(hints[name]) for name in hints]
        if issubclass(class_, tuple):
            return _fixed(lambda values: class_(*values), forms)
        return _object(class_, list(zip(hints, forms, strict=True)))


def _pairs(mapping: Mapping[Any, Any]) -> Iterable[Any]:
    return mapping.items()


def _text(hint: Any) -> str:
    """An annotation as it stands in the source, or the name of a class."""
    return str(getattr(hint, "__forward_arg__", getattr(hint, "__name__", hint)))


def _fixed(make: Callable[[Any], Any], forms: list[Form]) -> Form:
    writers = [form.write for form in forms]

    def write(parts: Parts, values: Any) -> None:
        for write_one, value in zip(writers, values, strict=True):
            write_one(parts, value)

    return Form(write, lambda reader: make([form.read(reader) for form in forms]))


def _object(class_: type, fields: list[tuple[str, Form]]) -> Form:
    writers = [(name, form.write) for name, form in fields]

    def write(parts: Parts, value: Any) -> None:
        for name, write_one in writers:
            write_one(parts, getattr(value, name))

    return Form(write, lambda reader: class_(*[form.read(reader) for _, form in fields]))
