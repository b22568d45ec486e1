"""Steps through tokens. A token too much or too little is told and read on, as ANTLR does it for cel-go."""

from __future__ import annotations

from typing import Final

from edged.kube.cel.errors import Issue
from edged.kube.cel.lexing import Token

_OPENING: Final = frozenset(("[", "{", "(", ".", "-", "!", "true", "false", "null"))
_AFTER: Final = frozenset(("==", "!=", "in", "<", "<=", ">=", ">", "&&", "||", "[", ".", "-", "?", "+", "*", "/", "%"))
"""What may follow a closing sign."""


class Stop(Exception):
    """A syntax error: the rest is not looked at."""


class Reader:
    """`open`: the signs that have to close what is open."""

    def __init__(self, tokens: list[Token], issues: list[Issue]) -> None:
        self._tokens = tokens
        self.issues = issues
        self.next = 0
        self.depth = 0
        self.open: list[str] = []

    @property
    def token(self) -> Token:
        return self._tokens[self.next]

    def stop(self, text: str) -> Stop:
        self.wrong(self.token.at, f"Syntax error: {text}")
        return Stop()

    def unexpected(self, expected: str) -> Stop:
        return self.stop(f"mismatched input '{self.token.text}' expecting {expected}")

    def wrong(self, at: int, text: str) -> None:
        self.issues.append(Issue(at, text))

    def at_sign(self, *signs: str) -> bool:
        return self.token.kind == "sign" and self.token.text in signs

    def take(self, *signs: str) -> Token | None:
        if not self.at_sign(*signs):
            return None
        self.next += 1
        return self._tokens[self.next - 1]

    def begins(self, token: Token) -> bool:
        """Whether an expression can begin with it."""
        return token.text in _OPENING if token.kind == "sign" else token.kind not in ("end", "ESC_IDENTIFIER")

    def following(self) -> Token:
        return self._tokens[min(self.next + 1, len(self._tokens) - 1)]

    def expect(self, *signs: str) -> Token:
        """One of them. A token too much or too little is told, and read on, as ANTLR does it."""
        token = self.take(*signs)
        if token is not None:
            return token
        shown = f"'{signs[0]}'" if len(signs) == 1 else f"{{{', '.join(f'{sign!r}' for sign in signs)}}}"
        token, following = self.token, self.following()
        if following.kind == "sign" and following.text in signs:
            self.wrong(token.at, f"Syntax error: extraneous input '{token.text}' expecting {shown}")
            self.next += 1
            return self.expect(*signs)
        if len(signs) == 1 and self._may_follow(signs[0]):
            self.wrong(token.at, f"Syntax error: missing {shown} at '{token.text}'")
            return Token("sign", signs[0], token.at)
        raise self.unexpected(shown)

    def _may_follow(self, sign: str) -> bool:
        """Whether the token may stand behind the sign that is missing before it."""
        token = self.token
        if sign == ":":
            return self.begins(token)
        if token.kind == "end":
            return not self.open
        if token.kind == "sign" and token.text in ")]}":
            return bool(self.open) and self.open[-1] == token.text
        return token.kind == "sign" and (token.text in _AFTER or (token.text == "," and bool(self.open)))

    def close(self, *signs: str) -> Token:
        self.open.pop()
        return self.expect(*signs)
