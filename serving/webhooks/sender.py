"""Delivery: take what is due, send it signed, note what became of it; and the thread that does so while the service runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Thread

import httpx
from sqlalchemy.exc import SQLAlchemyError

from features.errors import Refused
from features.settings import Webhooks
from serving.ledger import Ledger
from serving.webhooks import outbox
from serving.webhooks.address import NotAllowed, Resolve, resolved, target_of
from serving.webhooks.outbox import Message, later
from serving.webhooks.signing import Secret

SECONDS = 10
"""For one attempt."""
AT_ONCE = 20
EVERY = 5.0
MOST_WAIT = 86_400
GONE = 410
log = logging.getLogger("keepwell.webhooks")
Step = Callable[[str], None]


@dataclass(frozen=True)
class Delivered:
    """What came of one round: messages that arrived, that will be tried again, and that were given up."""

    arrived: int = 0
    later: int = 0
    dead: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(self.arrived + other.arrived, self.later + other.later, self.dead + other.dead)


@dataclass(frozen=True)
class Sender:
    """Sends the messages of a ledger to the address of [webhooks]; `clock` is the present time as text, UTC, to the second."""

    hook: Webhooks
    secret: Secret
    clock: Callable[[], str]
    resolve: Resolve = resolved
    at: Step = lambda step: None

    @classmethod
    def of(cls, hook: Webhooks, environment: Mapping[str, str], clock: Callable[[], str]) -> Sender | None:
        """The sender that a configuration means; None without an address.

        Raises
        ------
        UsageRefused : there is an address and no secret.
        """
        return None if hook.url is None else cls(hook, Secret.of(environment, hook.secret_env), clock)

    def all_due(self, ledger: Ledger, most_rounds: int = 50) -> Delivered:
        """Deliver what is due, until nothing is or something fails."""
        done = Delivered()
        for _ in range(most_rounds):
            one = self.round(ledger)
            done += one
            if one.later or one.dead or not one.arrived:
                break
        return done

    def round(self, ledger: Ledger) -> Delivered:
        """Take a few messages and deliver them; after the first that fails, the others wait with it, for the receiver is likely down."""
        with ledger.reading() as connection:  # the lock of writers is only asked for where there is something to do
            if not outbox.is_due(connection, self.clock()):
                return Delivered()
        with ledger.writing() as connection:
            messages = outbox.take(connection, self.clock(), AT_ONCE, AT_ONCE * SECONDS + 60)
        done = Delivered()
        self.at("taken")
        with httpx.Client(timeout=SECONDS, trust_env=False, follow_redirects=False) as client:
            for place, message in enumerate(messages):
                one = self._deliver(client, ledger, message)
                done += one
                if one.later:
                    rest = messages[place + 1 :]
                    with ledger.writing() as connection:
                        outbox.put_back(connection, rest, later(self.clock(), outbox.DELAYS[0]))
                    return done + Delivered(later=len(rest))
        return done

    def _deliver(self, client: httpx.Client, ledger: Ledger, message: Message) -> Delivered:
        self.at("send")
        why, status, wait = self._sent(client, message)
        self.at("sent")
        with ledger.writing() as connection:
            if why is None:
                outbox.delivered(connection, message, self.clock())
                return Delivered(arrived=1)
            is_dead = outbox.failed(connection, message, why, self.clock(), wait, is_final=status == GONE)
        log.warning("message %s was %s: %s", message.message_id, "given up" if is_dead else "not delivered", why)
        return Delivered(dead=1) if is_dead else Delivered(later=1)

    def _sent(self, client: httpx.Client, message: Message) -> tuple[str | None, int, int]:
        """Why a message did not arrive, None if it did; the status, and how long the receiver asks to wait."""
        body = message.body.encode()
        try:
            target = target_of(str(self.hook.url), self.hook.allow_private, self.resolve)
            headers = {"Host": target.host, "Content-Type": "application/json", "User-Agent": "Keepwell"}
            headers |= self.secret.headers(message.message_id, body, self.clock())
            with client.stream("POST", target.url, content=body, headers=headers, extensions={"sni_hostname": target.name}) as answer:
                status, asked = answer.status_code, answer.headers.get("retry-after", "")
        except NotAllowed as error:
            return str(error), 0, 0
        except (httpx.HTTPError, OSError) as error:
            return f"{type(error).__name__}: {error}", 0, 0
        wait = min(int(asked), MOST_WAIT) if asked.isdigit() else 0
        return (None if 200 <= status < 300 else f"the receiver answered {status}"), status, wait


class Background:
    """Delivers from time to time in a thread of its own until told to stop."""

    def __init__(self, sender: Sender, ledger: Callable[[], Ledger | None], every: float = EVERY) -> None:
        self.sender, self.ledger, self.every = sender, ledger, every
        self._stopped = Event()
        self._thread = Thread(target=self._go_on, name="keepwell-webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float = SECONDS + 1) -> None:
        """End after the message that is under way."""
        self._stopped.set()
        self._thread.join(seconds)

    def _go_on(self) -> None:
        while not self._stopped.wait(self.every):
            try:
                ledger = self.ledger()
                while ledger and self.sender.round(ledger).arrived and not self._stopped.is_set():
                    pass
            except (Refused, SQLAlchemyError) as error:  # a ledger that is down comes back
                log.warning("the outbox cannot be read: %s", type(error).__name__)
