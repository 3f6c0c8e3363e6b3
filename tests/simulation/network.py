"""What becomes of messages: most arrive soon, and what happens to each of the others has a name.

By these names a plan can say what is to happen instead of leaving it to chance. Every message draws the same
number of times from the stream of its link, whatever becomes of it, so that to spare one message changes as
little as possible for the rest.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from pbproto import Receive, Send, decode, encode
from pbproto.codec import VERSIONS
from pbproto.config import MILLISECOND, SECOND
from tests.core.versions import as_said

from .chance import between, pick, stream
from .host import Host
from .trace import Mail

if TYPE_CHECKING:
    from .world import World

Link = tuple[int, int]


class Network:
    """Links between hosts, by the ids of their ends."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance: dict[Link, Random] = {}
        self._counts: dict[tuple[str, int, int], int] = {}
        self._versions: dict[int, int] = {}
        self._numbers = 0
        self._blocked: dict[Link, list[str]] = {}
        """Why a link does not pass: ``cut`` or ``hold``, once for each fault."""
        self._held: dict[Link, list[Mail]] = {}
        self._latest: dict[Link, int] = {}
        """Per link the number of the latest message that arrived."""
        self.storm = 0
        self.doomed = ""
        """A kind of message of which the first on each link is lost."""
        self._doomed: set[tuple[str, Link]] = set()

    # Faults of links.

    def block(self, link: Link, how: str) -> None:
        self._blocked.setdefault(link, []).append(how)

    def unblock(self, link: Link, how: str) -> None:
        """Lift one block; what was held comes through when none is left."""
        reasons = self._blocked[link]
        reasons.remove(how)
        if not reasons:
            for mail in self._held.pop(link, []):
                self._world.tally.suffered("held", mail.kind)
                self._fly(mail, between(self._stream(link), 0, 20 * MILLISECOND))

    # Messages.

    def stamp(self, effect: Send) -> Mail:
        """The message as it is on its way: through the codec, with a number and a name."""
        version = min(self._version(effect.envelope.sender), self._version(effect.envelope.receiver))
        ((envelope, message),) = decode(encode([(effect.envelope, effect.message)], version))
        if (envelope, message) != (effect.envelope, as_said(effect.message, version)):
            raise AssertionError(f"the codec changes {effect}")
        self._numbers += 1
        kind = type(message).__name__
        way = (kind, envelope.sender, envelope.receiver)
        count = self._counts[way] = self._counts.get(way, 0) + 1
        name = f"{kind} {envelope.sender}>{envelope.receiver} #{count}"
        world = self._world
        return Mail(self._numbers, name, effect.address, envelope, message, world.now, world.steps)

    def _version(self, id_: int) -> int:
        """The newest version of the wire form that a node speaks: a cluster may be half way of an upgrade."""
        version = self._versions.get(id_)
        if version is None:
            version = self._versions[id_] = pick(stream(self._world.plan.seed, "version", id_), VERSIONS)
        return version

    def _stream(self, link: Link) -> Random:
        random = self._chance.get(link)
        if random is None:
            random = self._chance[link] = stream(self._world.plan.seed, "link", *link)
        return random

    def post(self, sender: Host, mail: Mail) -> None:
        """Send a message on its way, and decide what becomes of it."""
        world, parameters = self._world, self._world.parameters
        link = (sender.id, mail.envelope.receiver)
        random = self._stream(link)
        lost, copied, late, stale = (random.random() for _ in range(4))
        delay, much, later, more = (random.random() for _ in range(4))
        storm = 0.4 if self.storm and not world.calm else 0.0
        if mail.kind == self.doomed and (mail.kind, link) not in self._doomed:
            self._doomed.add((mail.kind, link))
            world.note("lost", f"{mail.name} is lost", *link)
            return
        blocked = self._blocked.get(link)
        if blocked:
            self._stop(mail, link, blocked)
            return
        if self._hit("lost", lost < max(parameters.loss, storm), mail):
            return
        flight = 10_000 + int(delay * parameters.delay)
        if self._hit("late", late < max(parameters.late, storm), mail):
            flight += int(much * SECOND)
        self._fly(mail, flight)
        if self._hit("copied", copied < max(parameters.copies, storm), mail):
            self._fly(mail, 10_000 + int(later * 4 * parameters.delay))
        if self._hit("stale", stale < parameters.stale, mail):
            self._fly(mail, int(more * 5 * SECOND))

    def _hit(self, what: str, happens: bool, mail: Mail) -> bool:
        """Whether this fault happens to this message: never in the calm; as the plan says, if it does."""
        world = self._world
        name = f"{what} {mail.name}"
        wanted = world.plan.message_faults
        if world.calm or not (happens if wanted is None else name in wanted):
            return False
        world.tally.suffered(what, mail.kind)
        world.tally.message_faults.append(name)
        world.note(what, f"{mail.name} is {what}", mail.envelope.sender, mail.envelope.receiver)
        return True

    def _stop(self, mail: Mail, link: Link, blocked: list[str]) -> None:
        if "cut" in blocked:
            self._world.tally.suffered("cut", mail.kind)
            self._world.note("cut", f"{mail.name} runs into a cut", *link)
        else:
            self._held.setdefault(link, []).append(mail)

    def _fly(self, mail: Mail, flight: int) -> None:
        self._world.at(self._world.now + flight, self._arrive, mail)

    def _arrive(self, mail: Mail) -> None:
        world, envelope = self._world, mail.envelope
        host = world.host_at(mail.address) if mail.address else world.hosts.get(envelope.receiver)
        self._count_arrival(mail, host)
        if host is None or not host.up:
            world.note("nobody", f"{mail.name} reaches nobody", envelope.sender)
            return
        world.deliver(host, Receive(envelope, mail.message), 0, mail)

    def _count_arrival(self, mail: Mail, host: Host | None) -> None:
        world, envelope, kind = self._world, mail.envelope, mail.kind
        link = (envelope.sender, envelope.receiver)
        if self._latest.get(link, 0) > mail.number:
            world.tally.suffered("overtaken", kind)
        self._latest[link] = max(mail.number, self._latest.get(link, 0))
        if host is None or not host.up:
            world.tally.suffered("to_nobody", kind)
            return
        if host.id != envelope.receiver:
            world.tally.suffered("to_stranger", kind)
        elif envelope.receiver_incarnation not in (0, host.life):
            world.tally.suffered("to_former_life", kind)
        if world.hosts[envelope.sender].life != envelope.sender_incarnation:
            world.tally.suffered("from_former_life", kind)
        if host.paused:
            world.tally.suffered("to_paused", kind)
        elif host.cost:
            world.tally.suffered("to_slow", kind)
