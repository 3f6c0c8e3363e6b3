"""Small scopes, exhausted: breadth-first over the real ``Replica.step``.

``scopes`` declares what may happen, ``explorer`` tries all of it in every order, ``always`` says what must be
true in every state, ``sometimes`` what must be seen at least once. ``python -m tests.model --list`` shows the
scopes; ``docs/verification.md`` says what they cover and what they do not.
"""
