"""What is said in a negotiation, stamped and kept in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.messages import Message, stamp
from agents.view import Situation


@dataclass
class Minutes:
    """Everything said so far, stamped."""

    situation: Situation
    messages: list[Message] = field(default_factory=list)
    counts: dict[tuple[int, str], int] = field(default_factory=dict)

    def hear(self, said: Sequence[Message], round_number: int) -> tuple[Message, ...]:
        """Stamp and keep messages; returns them stamped."""
        stamped = []
        for message in said:
            n = self.counts.get((round_number, message.sender), 0)
            self.counts[(round_number, message.sender)] = n + 1
            stamped.append(
                stamp(
                    message,
                    self.situation.negotiation_id,
                    round_number,
                    n,
                    self.situation.now,
                )
            )
        self.messages.extend(stamped)
        return tuple(stamped)
